import math

import pytest
import torch

from asva_lightning.encoders import (
    EverythingWindow,
    FrameWindows,
    GlobalWindow,
    NoAudio,
    RadiusWindows,
    SegmentWindows,
    TokenGrid,
    segment_mask,
)
from asva_lightning.encoders.windows import IMAGEBIND_GRID, mask_of, windows_from_config, windows_to_config
from asva_lightning.errors import ConfigurationError


def test_segment_masks_equal_the_reference(reference):
    masks = reference("segment_masks").tensors
    assert masks
    for name, mask in masks.items():
        frames = int(name.removeprefix("n_segment_"))
        assert torch.equal(segment_mask(frames), mask), name
        assert torch.equal(SegmentWindows()(frames, IMAGEBIND_GRID, 2.0), mask), name


def test_tokens_of_a_grid():
    assert TokenGrid(leading=2, rows=3, columns=5).tokens == 17
    assert IMAGEBIND_GRID.tokens == 229


def test_a_frame_sees_the_leading_tokens_and_its_columns_of_every_band():
    mask = segment_mask(2, TokenGrid(leading=1, rows=2, columns=4))
    assert mask.int().tolist() == [
        [1, 1, 1, 0, 0, 1, 1, 0, 0],
        [1, 0, 0, 1, 1, 0, 0, 1, 1],
    ]


@pytest.mark.parametrize("columns", [1, 5, 19, 50])
@pytest.mark.parametrize("frames", [1, 2, 7, 12, 31])
def test_stretches_have_one_length_and_run_from_end_to_end(frames, columns):
    mask = SegmentWindows()(frames, TokenGrid(leading=0, rows=1, columns=columns), 2.0)
    assert mask.dtype == torch.bool
    assert mask.shape == (frames, columns)
    assert mask.sum(dim=1).tolist() == [math.ceil(columns / frames)] * frames
    starts = mask.int().argmax(dim=1).tolist()
    assert starts == sorted(starts)
    assert mask[0, 0]
    assert frames == 1 or mask[-1, -1]
    for row, start in zip(mask, starts):
        assert row[start : start + math.ceil(columns / frames)].all()


def test_a_clip_without_frames_is_refused():
    with pytest.raises(ConfigurationError, match="at least one frame, not 0. Set --data.format.frames"):
        segment_mask(0)


def test_a_radius_in_seconds():
    grid = TokenGrid(leading=1, rows=2, columns=10, first=0.1, step=0.2)
    mask = RadiusWindows(0.25)(4, grid, seconds=2.0)  # frames at 0, 0.5, 1, 1.5 s
    assert mask.shape == (4, 21)
    assert mask[:, 0].all()
    heard = [[round(0.1 + 0.2 * column, 1) for column in range(10) if row[1 + column]] for row in mask]
    assert heard == [[0.1], [0.3, 0.5, 0.7], [0.9, 1.1], [1.3, 1.5, 1.7]]
    assert torch.equal(mask[:, 1:11], mask[:, 11:])


def test_a_radius_that_leaves_a_frame_without_sound_is_refused():
    grid = TokenGrid(leading=0, rows=1, columns=4, first=0.5, step=1.0)
    with pytest.raises(ConfigurationError, match=r"Frame 0, shown at 0.00 s, sees no audio token within 0.1 s"):
        RadiusWindows(0.1)(8, grid, seconds=4.0)
    with pytest.raises(ConfigurationError, match=r"Frame 0.*0.1 s apart, from 0.08 s to 1.88 s. Give RadiusWindows"):
        RadiusWindows(0.05)(12, IMAGEBIND_GRID, seconds=2.0)  # the token of the whole sound does not make up for it
    with pytest.raises(ConfigurationError, match="RadiusWindows needs seconds > 0, not 0"):
        RadiusWindows(0)


def test_one_token_for_the_whole_sound():
    mask = GlobalWindow()(3, IMAGEBIND_GRID, 2.0)
    assert mask.sum(dim=1).tolist() == [1, 1, 1]
    assert mask[:, 0].all()
    with pytest.raises(ConfigurationError, match="needs an audio encoder with a token of the whole sound"):
        GlobalWindow()(3, TokenGrid(0, 1, 5), 2.0)
    assert EverythingWindow()(3, IMAGEBIND_GRID, 2.0).all()


def test_masks_of_several_grids_follow_one_another():
    grids = [IMAGEBIND_GRID, TokenGrid(0, 1, 50, first=0.02, step=0.04)]
    assert torch.equal(
        mask_of(SegmentWindows(), 12, grids, 2.0), torch.cat([segment_mask(12, grid) for grid in grids], dim=1)
    )
    assert NoAudio()(12, IMAGEBIND_GRID, 2.0) is None
    assert mask_of(NoAudio(), 12, grids, 2.0) is None


class LongGridsOnly(FrameWindows):
    """Hides grids of fewer tokens than this."""

    def __init__(self, least):
        self.least = least

    def __call__(self, frames, grid, seconds):
        return None if grid.tokens < self.least else torch.full((frames, grid.tokens), self.least == 5)


def test_windows_that_show_nothing_are_refused():
    grids = [TokenGrid(0, 1, 4), TokenGrid(0, 1, 6)]
    assert mask_of(LongGridsOnly(5), 2, grids, 1.0).tolist() == [4 * [False] + 6 * [True]] * 2
    with pytest.raises(ConfigurationError, match="A frame sees no audio token at all. Widen the frame windows."):
        mask_of(LongGridsOnly(3), 2, grids, 1.0)


@pytest.mark.parametrize(
    "windows", [SegmentWindows(), RadiusWindows(0.3), GlobalWindow(), EverythingWindow(), NoAudio()]
)
def test_windows_as_plain_values_and_back(windows):
    assert windows_from_config(windows_to_config(windows)) == windows
