import numpy as np
import pytest
import torch
from second_opinions import prominences
from sync_clips import jumping_square

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.flow import flow_curve
from asva_lightning.metrics.motion import motion_curve, motion_peaks


@pytest.mark.parametrize("as_float", [False, True])
def test_motion_curve_is_the_mean_absolute_change(as_float):
    pixels = torch.randint(0, 256, (2, 3, 5, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = np.abs(np.diff(pixels.numpy().astype(np.float64) / 255, axis=2)).mean(axis=(1, 3, 4))
    curve = motion_curve(pixels.float() / 255 if as_float else pixels)
    np.testing.assert_allclose(curve.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5, 8, 8), (1, 3, 1, 8, 8), (1, 1, 5, 8, 8)])
def test_motion_needs_clips_of_two_frames(shape):
    with pytest.raises(ConfigurationError, match=r"at least two frames, not .*--data.format.frames"):
        motion_curve(torch.zeros(shape, dtype=torch.uint8))


@pytest.mark.parametrize(("value", "met"), [(255.0, "from 0 to 255"), (-0.1, "from -0.1 to 0"), (torch.nan, "to nan")])
def test_floats_that_are_no_shares_of_white_do_not_move(value, met):
    pixels = torch.zeros(2, 3, 5, 8, 8)
    pixels[1, 0, 2, 3, 3] = value
    with pytest.raises(ConfigurationError, match=rf"floating point pixels in 0\.\.1, not .*{met}\. Divide .* by 255"):
        motion_curve(pixels)


def test_other_types_are_refused_and_flow_takes_no_floats():
    with pytest.raises(
        ConfigurationError, match=r"of uint8, or floating point in 0\.\.1, not torch\.int64\. Give frames"
    ):
        motion_curve(torch.zeros(1, 3, 5, 8, 8, dtype=torch.long))
    with pytest.raises(ConfigurationError, match=r"pixels of uint8, not torch\.float32\. Give frames as they are read"):
        flow_curve(torch.zeros(1, 3, 5, 8, 8))
    assert motion_curve(torch.zeros(0, 3, 5, 8, 8)).shape == (0, 4)


def test_motion_peaks_are_the_prominent_maxima():
    curves = np.random.default_rng(0).random((20, 30))
    for curve, peaks in zip(curves, motion_peaks(torch.from_numpy(curves), fps=6, prominence=0.5, spacing=0)):
        expected = [i for i, height in prominences(curve).items() if height >= 0.5 * (curve.max() - curve.min())]
        np.testing.assert_allclose(peaks.numpy(), (np.array(expected) + 0.5) / 6)


def test_a_peak_lies_half_a_frame_from_the_two_frames_that_differ():
    times = [0.31, 1.02, 1.47]
    (peaks,) = motion_peaks(motion_curve(jumping_square(times, frames=60)[None]), fps=30)
    assert len(peaks) == 3
    assert (peaks - torch.tensor(times)).abs().max() <= 0.5 / 30 + 1e-9


def test_first_and_last_step_can_be_peaks():
    (peaks,) = motion_peaks(torch.tensor([[1.0, 0, 0, 0, 0.9]]), fps=1)
    assert peaks.tolist() == [0.5, 4.5]


def test_the_way_back_is_no_peak_of_its_own():
    curve = torch.zeros(1, 40)
    curve[0, [3, 9, 13, 22]] = torch.tensor([0.5, 0.4, 0.5, 0.5])
    assert motion_peaks(curve, fps=30)[0].mul(30).tolist() == pytest.approx([3.5, 13.5, 22.5])
    assert len(motion_peaks(curve, fps=30, spacing=0)[0]) == 4


def test_still_and_nearly_still_clips_have_no_peaks():
    still = torch.full((1, 30), 0.2)
    noisy = torch.rand(1, 30, generator=torch.Generator().manual_seed(0)) * 4e-4
    assert [len(peaks) for peaks in motion_peaks(torch.cat([still, noisy]), fps=30)] == [0, 0]
