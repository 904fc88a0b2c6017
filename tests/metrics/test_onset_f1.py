import numpy as np
import pytest
import torch
from second_opinions import motion, onsets, pairs, peaks
from sync_clips import RATE, clicks, jumping_square, random_clips

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.onset_f1 import OnsetF1, onset_f1

TIMES = [0.3, 0.75, 1.4]


def f1(sounds, motions, **options):
    return float(onset_f1(clicks(sounds, 2.0)[None], jumping_square(motions, 60)[None], 30, RATE, **options))


@pytest.mark.parametrize(
    ("sounds", "motions", "expected"),
    [
        (TIMES, TIMES, 1.0),
        (TIMES, [0.3, 1.4], 2 * (1 * 2 / 3) / (1 + 2 / 3)),  # every peak has an onset, two of three onsets a peak
        ([0.3], TIMES, 2 * (1 / 3 * 1) / (1 / 3 + 1)),
        ([0.3, 0.4], [0.35], 2 * (1 * 0.5) / (1 + 0.5)),  # one peak cannot serve two onsets
        ([0.3], [1.0], 0.0),
        (TIMES, [], 0.0),
        ([], TIMES, 0.0),
        ([], [], 1.0),
    ],
)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(sounds, motions, expected):
    assert f1(sounds, motions) == pytest.approx(expected)


@pytest.mark.parametrize("fps", [30, 12, 6])
@pytest.mark.parametrize(("tolerance", "lead"), [(0.1, 0.2), (0.3, 0.0), (0.15, None)])
def test_f1_of_random_clips_is_that_of_scipy(fps, tolerance, lead):
    sounds, pixels = random_clips(12, fps)
    expected = []
    for sound, clip in zip(sounds, pixels):
        heard, moved = onsets(sound.double().numpy()), peaks(motion(clip.numpy()), fps, floor=5e-4)
        matched = pairs(heard, moved, tolerance if lead is None else lead, tolerance)
        # The harmonic mean of precision and recall.
        expected.append(2 / (len(moved) / matched + len(heard) / matched) if matched else 0.0)
    np.testing.assert_allclose(onset_f1(sounds, pixels, fps, RATE, tolerance, lead).numpy(), expected, rtol=1e-6)
    assert len(set(np.round(expected, 3))) > 3, "clips that are alike prove nothing"


def test_motion_may_lead_but_not_lag():
    late, early = [time + 0.15 for time in TIMES], [time - 0.15 for time in TIMES]
    assert f1(late, TIMES) == 1
    assert f1(early, TIMES) == 0
    assert f1(late, TIMES, lead=None) == 0
    assert f1(early, TIMES, tolerance=0.2) == 1


def test_one_value_per_clip():
    sounds = torch.stack([clicks(TIMES, 2.0), clicks([], 2.0)])
    pixels = torch.stack([jumping_square(TIMES, 60)] * 2)
    assert onset_f1(sounds, pixels, 30, RATE).tolist() == [1, 0]
    assert OnsetF1().values(sounds, pixels, 30, RATE).tolist() == [1, 0]


@pytest.mark.parametrize("options", [{"tolerance": 0.05}, {"lead": -0.1}])
def test_windows_that_cannot_work(options):
    with pytest.raises(
        ConfigurationError, match=r"at 6 frames a second.*set tolerance to 0.083 or more, and lead to 0"
    ):
        onset_f1(clicks([], 2.0)[None], jumping_square([], 12)[None], 6, RATE, **options)
