import numpy as np
import pytest
import torch
from second_opinions import onsets, rises
from sync_clips import RATE, clicks, drums, random_clips

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.onsets import onset_strength, onset_times

TIMES = [0.21, 0.637, 1.05, 1.43, 1.811]


def test_onset_strength_is_the_documented_flux():
    sound = drums([0.2, 0.6], seconds=1.0)
    strength, hop = onset_strength(sound[None], RATE)
    rise, louder = rises(sound.double().numpy())
    assert hop == pytest.approx(0.004)
    np.testing.assert_allclose(strength[0].numpy(), rise * louder, atol=2e-3)


def test_onset_times_of_random_sounds_are_those_of_scipy():
    sounds, _ = random_clips(60, fps=6)
    for sound, times in zip(sounds, onset_times(sounds, RATE)):
        np.testing.assert_allclose(times.numpy(), onsets(sound.double().numpy()), atol=1e-9)


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


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("ask", [onset_strength, onset_times])
def test_a_sound_that_is_no_number_has_no_onsets(ask, bad):
    batch = torch.stack([clicks([0.5], 2.0), clicks([0.5], 2.0)])
    batch[1, [100, 30_000]] = bad
    with pytest.raises(
        ConfigurationError, match=r"^2 samples of the sound are NaN or infinite, in 1 of 2 clips\. .*anew"
    ):
        ask(batch, RATE)


def test_a_rate_without_a_spectrum_is_refused():
    with pytest.raises(ConfigurationError, match=r"1000 samples a second or more, not 100\. Set --format\.sample_rate"):
        onset_strength(torch.zeros(1, 200), 100)
