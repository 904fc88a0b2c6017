import numpy as np
import pytest
import torch
from sync_clips import RATE, clicks, drums

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.onsets import onset_strength, onset_times

TIMES = [0.21, 0.637, 1.05, 1.43, 1.811]


def mel(hertz):
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def flux(wave: np.ndarray) -> np.ndarray:
    """The formula of the docstring in NumPy."""
    window, hop = 512, 64
    frames = np.stack([wave[i : i + window] for i in range(0, len(wave) - window + 1, hop)])
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    magnitude = 2 / taper.sum() * np.abs(np.fft.rfft(frames * taper))
    edges = 700 * (10 ** (np.linspace(mel(60), mel(RATE / 2), 34) / 2595) - 1)
    bins = np.fft.rfftfreq(window, 1 / RATE)
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:]):
        weights = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
        if weights.sum() > 0:
            bands.append(magnitude @ weights / weights.sum())
    loudness, power = np.log1p(1000 * np.array(bands)), (magnitude**2).sum(axis=1)
    rise = np.clip(loudness[:, 4:] - loudness[:, :-4], 0, None).mean(axis=0) * (power[4:] > power[:-4])
    return np.pad(rise, 6)


def test_onset_strength_is_the_documented_flux():
    sound = drums([0.2, 0.6], seconds=1.0)
    strength, hop = onset_strength(sound[None], RATE)
    expected = flux(sound.double().numpy())
    assert hop == pytest.approx(0.004)
    np.testing.assert_allclose(strength[0].numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("make", [clicks, drums])
def test_onsets_are_found_within_20_ms(make):
    (found,) = onset_times(make(TIMES, seconds=2.0)[None], RATE)
    np.testing.assert_allclose(found.numpy(), TIMES, atol=0.02)


def test_tones_are_found_at_their_start_and_not_at_their_end():
    time = torch.arange(2 * RATE) / RATE
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * time) * ((time >= 0.5) & (time < 0.8))
    (found,) = onset_times(tone[None], RATE)
    np.testing.assert_allclose(found.numpy(), [0.5], atol=0.02)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_other_sample_rates_give_the_same_times(rate):
    noise = torch.randn(rate // 20, generator=torch.Generator().manual_seed(0)) * torch.linspace(1, 0, rate // 20)
    sound = torch.zeros(2 * rate)
    for time in TIMES:
        sound[round(time * rate) : round(time * rate) + len(noise)] += 0.3 * noise
    np.testing.assert_allclose(onset_times(sound[None], rate)[0].numpy(), TIMES, atol=0.02)


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3, 1e-2])
def test_quiet_noise_has_no_onsets(level):
    noise = level * torch.randn(8, 2 * RATE, generator=torch.Generator().manual_seed(0))
    assert [len(times) for times in onset_times(noise, RATE)] == [0] * 8


def test_a_steady_tone_has_no_onsets():
    tone = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(2 * RATE) / RATE)
    assert len(onset_times(tone[None], RATE)[0]) == 0


def test_every_clip_of_a_batch_is_judged_alone():
    batch = torch.stack([clicks([0.5], 2.0), drums([0.4, 1.2], 2.0), torch.zeros(2 * RATE)])
    assert [len(times) for times in onset_times(batch, RATE)] == [1, 2, 0]


@pytest.mark.parametrize("shape", [(RATE,), (1, 500), (1, 2, RATE)])
def test_onsets_need_a_batch_of_sound(shape):
    with pytest.raises(ConfigurationError, match=r"batch of mono sound .* at least 1024 samples, not .*Add the batch"):
        onset_times(torch.zeros(shape), RATE)
