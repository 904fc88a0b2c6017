import numpy as np
import pytest
import torch
from sync_clips import RATE, clicks, drums, jumping_square

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation, onset_motion_correlation
from asva_lightning.metrics.onsets import onset_strength

TIMES = [0.31, 0.75, 1.42]


def blurred(row, deviation):
    if deviation == 0:
        return row
    steps = np.arange(len(row))
    weights = [np.exp(-0.5 * ((steps - step) / deviation) ** 2) for step in steps]
    return np.array([np.sum(row * weight) / weight.sum() for weight in weights])


def second_opinion(sound, pixels, fps, smoothing, lags=(0,)):
    strength, hop = onset_strength(sound[None], RATE)
    times = np.arange(strength.shape[1]) * hop
    steps = pixels.shape[1] - 1
    per_step = [strength[0].numpy()[np.floor(times * fps + 1e-6) == step].mean() for step in range(steps)]
    x, y = (
        blurred(np.asarray(row, dtype=np.float64), smoothing * fps)
        for row in (per_step, motion_curve(pixels[None])[0].numpy())
    )
    return max(
        np.corrcoef(x[max(0, lag) : steps + min(0, lag)], y[max(0, -lag) : steps + min(0, -lag)])[0, 1] for lag in lags
    )


@pytest.mark.parametrize("fps", [30, 6])
@pytest.mark.parametrize("smoothing", [0.0, 0.12])
@pytest.mark.parametrize("lag_frames", [0, 1])
def test_correlation_is_that_of_numpy(fps, smoothing, lag_frames):
    sound, pixels = drums([0.4, 0.8, 1.4], 2.0), jumping_square(TIMES, 2 * fps, fps)
    value = onset_motion_correlation(sound[None], pixels[None], fps, RATE, smoothing, lag_frames)
    expected = second_opinion(sound, pixels, fps, smoothing, range(-lag_frames, lag_frames + 1))
    assert float(value) == pytest.approx(expected, abs=1e-4)


def test_the_truth_is_near_one_and_a_shift_is_not():
    sounds = torch.stack([clicks([time + late for time in TIMES], 2.0) for late in (0, 0.2)])
    pixels = torch.stack([jumping_square(TIMES, 60)] * 2)
    truth, shifted = OnsetMotionCorrelation().values(sounds, pixels, 30, RATE).tolist()
    assert truth > 0.95
    assert shifted < 0.2


@pytest.mark.parametrize(("sounds", "motions"), [([], []), ([0.5], []), ([], [0.5])])
def test_constant_curves_have_no_correlation(sounds, motions):
    sound = clicks(sounds, 2.0) if sounds else torch.zeros(2 * RATE)
    assert float(onset_motion_correlation(sound[None], jumping_square(motions, 60)[None], 30, RATE)) == 0


@pytest.mark.parametrize("options", [{"lag_frames": 2}, {"lag_frames": -1}, {"smoothing": -0.1}])
def test_options_that_cannot_work(options):
    with pytest.raises(ConfigurationError, match=r"Set lag_frames to 0 or 1 .* and smoothing to 0 or more"):
        onset_motion_correlation(clicks([], 2.0)[None], jumping_square([], 60)[None], 30, RATE, **options)


def test_sound_that_ends_before_the_frames():
    with pytest.raises(
        ConfigurationError, match=r"sound lasts 1.00 s and the frames 2.00 s.*Give the sound of the whole"
    ):
        onset_motion_correlation(clicks([], 1.0)[None], jumping_square([], 60)[None], 30, RATE)
