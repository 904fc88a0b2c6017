"""A clip as one picture along time."""

import numpy as np
import pytest
import torch

from asva_lightning.pages.strip import FRAME, GUTTER, ONSET, SAMPLE, TRUTH, strip

FPS, RATE = 6.0, 16000


def draw(frames=12, size=32, onsets=(), motion=None, **more):
    pixels = torch.zeros(3, frames, size, size, dtype=torch.uint8)
    pixels[0] = torch.arange(frames, dtype=torch.uint8)[:, None, None] * 5
    waveform = torch.zeros(round(frames / FPS * RATE))
    motion = torch.zeros(frames - 1) if motion is None else motion
    return np.asarray(strip(pixels, waveform, FPS, RATE, onsets, motion, "a title", **more)).astype(int)


def is_coloured(picture, colour):
    """Where a picture has a colour, or nearly: ``(height, width)``."""
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return np.abs(picture - wanted).max(axis=2) < 40


def columns_of(picture, colour):
    """Columns in which a colour is found below the title and its legend."""
    return np.flatnonzero(is_coloured(picture[40:], colour).any(axis=0))


def test_every_frame_is_enlarged_to_its_place_in_order():
    picture = draw()
    for frame in range(12):
        cell = picture[42 : 40 + FRAME - 2, GUTTER + frame * FRAME + 2 : GUTTER + (frame + 1) * FRAME - 2]
        assert (cell == [5 * frame, 0, 0]).all()


def test_pixels_are_enlarged_without_blur():
    pixels = torch.randint(0, 2, (1, 12, 32, 32)).repeat(3, 1, 1, 1).mul(255).to(torch.uint8)
    picture = np.asarray(strip(pixels, torch.zeros(32000), FPS, RATE, [], torch.zeros(11), ""))
    cell = picture[40 : 40 + FRAME, GUTTER + 1 : GUTTER + FRAME - 1]
    assert set(np.unique(cell)) == {0, 255}


def test_an_onset_lies_at_its_time_on_the_axis_of_the_frames():
    columns = columns_of(draw(onsets=[0.5, 1.25, 7.0]), ONSET)
    expected = [GUTTER + seconds * FPS * FRAME for seconds in (0.5, 1.25)]
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    assert [group.mean() for group in groups] == pytest.approx(expected, abs=1.5)


def test_the_legend_names_onsets_where_there_are_some():
    assert is_coloured(draw(onsets=[0.5])[:40], ONSET).any()
    assert not is_coloured(draw()[:40], ONSET).any()


def test_sound_is_drawn_at_its_time():
    waveform = torch.zeros(32000)
    waveform[16000:17600] = 0.5 * (-1.0) ** torch.arange(1600)
    pixels = torch.zeros(3, 12, 32, 32, dtype=torch.uint8)
    loud = np.asarray(strip(pixels, waveform, FPS, RATE, [], torch.zeros(11), "")).astype(int)
    changed = np.flatnonzero(np.abs(loud - draw())[40 + FRAME :, GUTTER:].max(axis=2).sum(axis=0) > 500)
    assert (changed.min(), changed.max()) == pytest.approx((1.0 * FPS * FRAME, 1.1 * FPS * FRAME), abs=2)


def test_motion_peaks_where_the_new_frame_appears():
    motion = torch.zeros(11)
    motion[4] = 0.2
    picture = draw(motion=motion)
    panel = picture[-34 - 84 : -34]
    rows, columns = np.nonzero(is_coloured(panel, SAMPLE))
    assert columns[rows == rows.min()].mean() == pytest.approx(GUTTER + 5 * FRAME, abs=1.5)


def test_the_truth_is_a_second_row_and_a_second_curve():
    truth = torch.full((3, 12, 32, 32), 200, dtype=torch.uint8)
    alone, both = draw(), draw(reference=truth, reference_motion=torch.linspace(0, 1, 11))
    assert both.shape[0] == alone.shape[0] + FRAME + 4
    assert (both[40 + FRAME + 8 : 40 + 2 * FRAME, GUTTER + 4 : GUTTER + 90] == 200).all()
    assert columns_of(both, TRUTH).size > 100
    assert columns_of(alone, TRUTH).size == 0
    rows = slice(40, 40 + FRAME)
    assert (both[rows, :GUTTER] != alone[rows, :GUTTER]).any(), "frames alone are not called a sample"


def test_large_frames_are_reduced_and_many_are_narrower():
    assert draw(size=256).shape == draw(size=32).shape
    assert draw(frames=100).shape[1] < 100 * FRAME


def test_a_single_frame_without_sound_can_be_drawn():
    assert draw(frames=1, motion=[]).shape[1] > FRAME


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"motion must have 11 values, not \(12,\)"):
        draw(motion=torch.zeros(12))
    with pytest.raises(ValueError, match=r"reference must be \(3, 12, 32, 32\)"):
        draw(reference=torch.zeros(3, 11, 32, 32, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"reference_motion must have 11 values"):
        draw(reference_motion=[0.0])
    with pytest.raises(ValueError, match=r"pixels must be \(3, f, h, w\), not \(32, 32\)"):
        strip(torch.zeros(32, 32), torch.zeros(1), FPS, RATE, [], [], "")
