import numpy as np
import pytest
import torch
from second_opinions import flow, onsets, pairs, peaks
from sync_clips import RATE, clicks, random_clips
from torch.nn.functional import interpolate

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.av_align import AVAlign, av_align
from asva_lightning.metrics.flow import flow_curve

TIMES = [0.31, 0.75, 1.4]


def sliding_picture(times, frames=60, fps=30.0, by=3):
    """A cloudy picture that slides by some pixels at each of these times, ``(3, f, 48, 48)``."""
    coarse = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    picture = (interpolate(coarse, size=(48, 96), mode="bicubic").clamp(0, 1)[0] * 255).to(torch.uint8)
    offsets = [by * sum(time <= frame / fps for time in times) for frame in range(frames)]
    return torch.stack([picture[:, :, offset : offset + 48] for offset in offsets], dim=1)


def align(sounds, motions, **options):
    return float(av_align(clicks(sounds, 2.0)[None], sliding_picture(motions)[None], 30, RATE, **options))


def test_flow_is_how_far_the_picture_went():
    curve = flow_curve(torch.stack([sliding_picture([0.1], frames=6), sliding_picture([], frames=6)]))
    assert curve.shape == (2, 5)
    assert curve[0, 2] == pytest.approx(3, rel=0.15)
    assert curve[0, [0, 1, 3, 4]].max() < 0.01
    assert curve[1].max() < 0.01


@pytest.mark.parametrize(
    ("sounds", "motions", "expected"),
    [
        (TIMES, TIMES, 1.0),
        (TIMES, [0.31, 1.4], 2 / 3),
        ([0.31, 1.0], [0.31, 1.4], 1 / 3),
        ([0.31], [0.5], 0.0),
        (TIMES, [], 0.0),
        ([], TIMES, 0.0),
        ([], [], 1.0),
    ],
)
def test_intersection_over_union(sounds, motions, expected):
    assert align(sounds, motions) == pytest.approx(expected)


@pytest.mark.parametrize("fps", [30, 12, 6])
@pytest.mark.parametrize("options", [{}, {"one_to_one": False}, {"prominence": 0.1, "spacing": 0.0}])
def test_iou_of_random_clips_is_that_of_scipy(fps, options):
    sounds, pixels = random_clips(12, fps)
    rule = {name: value for name, value in options.items() if name != "one_to_one"}
    expected = []
    for sound, clip in zip(sounds, pixels):
        heard, moved = onsets(sound.double().numpy()), peaks(flow(clip.numpy()), fps, floor=1e-3, **rule)
        matched = pairs(heard, moved, 1 / fps, 1 / fps)
        if not options.get("one_to_one", True):
            matched = (np.abs(heard[:, None] - moved) <= 1 / fps).any(axis=1).sum()
        expected.append(matched / (len(heard) + len(moved) - matched))
    np.testing.assert_allclose(av_align(sounds, pixels, fps, RATE, **options).numpy(), expected, rtol=1e-6)
    assert len(set(np.round(expected, 3))) > 3, "clips that are alike prove nothing"


def test_flow_of_random_clips_is_that_of_numpy():
    _, pixels = random_clips(2, 12)
    np.testing.assert_allclose(flow_curve(pixels).numpy(), [flow(clip.numpy()) for clip in pixels], rtol=1e-5)


def test_a_match_lies_within_one_frame():
    assert align([0.325], [0.31]) == 1
    assert align([0.38], [0.31]) == 0


def test_two_onsets_can_share_a_peak_in_the_variant_only():
    sound, pixels = clicks([0.45, 0.55], 2.0)[None], sliding_picture([0.5], frames=12, fps=6)[None]
    assert float(av_align(sound, pixels, 6, RATE)) == pytest.approx(1 / 2)
    assert float(av_align(sound, pixels, 6, RATE, one_to_one=False)) == pytest.approx(2 / 1)


def test_one_value_per_clip():
    sounds = torch.stack([clicks(TIMES, 2.0), clicks([], 2.0)])
    assert AVAlign().values(sounds, torch.stack([sliding_picture(TIMES)] * 2), 30, RATE).tolist() == [1, 0]


def test_flow_needs_a_batch_of_clips():
    with pytest.raises(ConfigurationError, match="at least two frames"):
        flow_curve(sliding_picture([]))
