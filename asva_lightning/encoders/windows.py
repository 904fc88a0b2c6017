"""Frame windows: which audio tokens each frame may attend to."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class TokenGrid:
    """How an audio encoder lays out its tokens: some for the whole sound, then rows of frequency over columns of time.

    Args:
        leading: Tokens of the whole sound, at the start of the sequence.
        rows: Bands of frequency; the sequence holds all columns of the first band, then all of the second.
        columns: Steps of time, which share the length of the clip evenly.
    """

    leading: int
    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        return self.leading + self.rows * self.columns


IMAGEBIND_GRID = TokenGrid(leading=1, rows=12, columns=19)
"""The tokens of ImageBind's audio tower: a class token, then 12 bands over 19 steps of two seconds of sound."""


class FrameWindows(ABC):
    """Decides which tokens of a grid each of ``frames`` frames sees: ``(f, m)`` bool, True = attend."""

    @abstractmethod
    def __call__(self, frames: int, grid: TokenGrid) -> Tensor:
        """The mask of a clip."""


def segment_mask(frames: int, grid: TokenGrid = IMAGEBIND_GRID) -> Tensor:
    """The method's segment masks: a frame sees the leading tokens and its own stretch of the columns.

    With ``T`` columns a stretch is ``ceil(T / frames)`` columns long and the starts are spread evenly from the first
    to the last possible one, rounded (AVSyncD, ECCV 2024).

    Args:
        frames: Number of frames.
        grid: The encoder's tokens.

    Returns:
        ``(frames, tokens)`` bool, True = attend; ``(frames, 229)`` for ImageBind.

    Raises:
        ConfigurationError: If there is no frame.
    """
    if frames < 1:
        raise ConfigurationError(f"A clip needs at least one frame, not {frames}. Set --data.format.frames.")
    length = math.ceil(grid.columns / frames)
    starts = torch.linspace(0, grid.columns - length, frames).round().long()
    column = torch.arange(grid.columns)
    own = (column >= starts[:, None]) & (column < starts[:, None] + length)
    return torch.cat([torch.ones(frames, grid.leading, dtype=torch.bool), own.repeat(1, grid.rows)], dim=1)


@dataclass(frozen=True)
class SegmentWindows(FrameWindows):
    """The method's windows, see :func:`segment_mask`."""

    def __call__(self, frames: int, grid: TokenGrid) -> Tensor:
        """The mask ``(frames, tokens)`` of a clip."""
        return segment_mask(frames, grid)
