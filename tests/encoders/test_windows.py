import math

import pytest
import torch

from asva_lightning.encoders import SegmentWindows, TokenGrid, segment_mask
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.errors import ConfigurationError


def test_segment_masks_equal_the_reference(reference):
    masks = reference("segment_masks").tensors
    assert masks
    for name, mask in masks.items():
        frames = int(name.removeprefix("n_segment_"))
        assert torch.equal(segment_mask(frames), mask), name
        assert torch.equal(SegmentWindows()(frames, IMAGEBIND_GRID), mask), name


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
    mask = SegmentWindows()(frames, TokenGrid(leading=0, rows=1, columns=columns))
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
