"""Frame windows: which audio tokens each frame may attend to."""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class TokenGrid:
    """How an audio encoder lays out its tokens: some for the whole sound, then rows of frequency over columns of time.

    Args:
        leading: Tokens of the whole sound, at the start of the sequence.
        rows: Bands of frequency; the sequence holds all columns of the first band, then all of the second.
        columns: Steps of time.
        first: Middle of the first column, in seconds after the start of the sound.
        step: Seconds from one column to the next.
    """

    leading: int
    rows: int
    columns: int
    first: float = 0.05
    step: float = 0.1

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        return self.leading + self.rows * self.columns

    @property
    def times(self) -> Tensor:
        """Middle of each column in seconds, ``(columns,)``."""
        return self.first + self.step * torch.arange(self.columns)

    def mask(self, columns: Tensor) -> Tensor:
        """The mask ``(f, tokens)`` of frames that see these columns ``(f, columns)`` and all leading tokens."""
        return torch.cat([columns.new_ones(len(columns), self.leading), columns.repeat(1, self.rows)], dim=1)


IMAGEBIND_GRID = TokenGrid(leading=1, rows=12, columns=19, first=0.08, step=0.1)
"""The tokens of ImageBind's audio tower: a class token, then 12 bands over 19 steps of two seconds of sound.

A column is a patch of 16 steps of 10 ms; the patches are 10 steps apart."""


class FrameWindows(ABC):
    """Decides which tokens of a grid each frame of a clip sees."""

    @abstractmethod
    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> Tensor | None:
        """The mask of a clip, ``(f, m)`` bool, True = attend; ``None`` where there is to be no sound at all.

        Args:
            frames: Number of frames ``f``; frame ``i`` is shown at ``i * seconds / frames``.
            grid: The encoder's ``m`` tokens.
            seconds: Length of the clip.
        """


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
    return grid.mask(own)


@dataclass(frozen=True)
class SegmentWindows(FrameWindows):
    """The method's windows, see :func:`segment_mask`."""

    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> Tensor:
        """The mask ``(frames, tokens)`` of a clip."""
        return segment_mask(frames, grid)


@dataclass(frozen=True)
class RadiusWindows(FrameWindows):
    """A frame sees what is heard at most so many seconds before or after it (Scaling-up ASVA), and the leading tokens.

    Every frame must hear something of its time: where it would see the leading tokens alone, the radius is refused.

    Args:
        seconds: The radius.

    Raises:
        ConfigurationError: If it is not positive.
    """

    seconds: float = 0.2

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ConfigurationError(f"RadiusWindows needs seconds > 0, not {self.seconds}.")

    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> Tensor:
        """``|time of the column - time of the frame| <= radius``.

        Raises:
            ConfigurationError: If a frame sees no column.
        """
        shown = torch.arange(frames) * (seconds / frames)
        columns = (grid.times - shown[:, None]).abs() <= self.seconds + 1e-6
        if not columns.any(dim=1).all():
            frame = int((~columns.any(dim=1)).nonzero()[0])
            raise ConfigurationError(
                f"Frame {frame}, shown at {float(shown[frame]):.2f} s, sees no audio token within {self.seconds:g} s: "
                f"they are {grid.step:g} s apart, from {grid.first:g} s to {float(grid.times[-1]):g} s. "
                "Give RadiusWindows more seconds."
            )
        return grid.mask(columns)


@dataclass(frozen=True)
class GlobalWindow(FrameWindows):
    """Every frame sees the tokens of the whole sound alone, and so learns nothing of when something is heard."""

    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> Tensor:
        """The leading tokens.

        Raises:
            ConfigurationError: If the encoder has none.
        """
        if not grid.leading:
            raise ConfigurationError(
                "GlobalWindow needs an audio encoder with a token of the whole sound, such as ImageBind's; this one "
                "has none. Use SegmentWindows or RadiusWindows."
            )
        return grid.mask(torch.zeros(frames, grid.columns, dtype=torch.bool))


@dataclass(frozen=True)
class EverythingWindow(FrameWindows):
    """Every frame sees every token."""

    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> Tensor:
        """All tokens."""
        return grid.mask(torch.ones(frames, grid.columns, dtype=torch.bool))


@dataclass(frozen=True)
class NoAudio(FrameWindows):
    """No frame hears anything: the audio layers are skipped, in training and sampling, and the encoder is never asked.

    What remains is the network without sound, against which one measures what sound is good for. Guidance by audio has
    no effect then. Training leaves the audio layers and the encoder as they are.
    """

    def __call__(self, frames: int, grid: TokenGrid, seconds: float) -> None:
        """No mask, as there is no sound."""


def mask_of(windows: FrameWindows, frames: int, grids: Sequence[TokenGrid], seconds: float) -> Tensor | None:
    """The mask of a clip over all sets of tokens, one after the other.

    Args:
        windows: Which tokens of a set each frame sees.
        frames: Number of frames.
        grids: The layout of each set.
        seconds: Length of the clip.

    Returns:
        ``(f, m)`` bool, True = attend; ``None`` where there is to be no sound.

    Raises:
        ConfigurationError: If a frame sees nothing.
    """
    masks = [windows(frames, grid, seconds) for grid in grids]
    if all(mask is None for mask in masks):
        return None
    hidden = [torch.zeros(frames, grid.tokens, dtype=torch.bool) for grid in grids]
    together = torch.cat([none if mask is None else mask for mask, none in zip(masks, hidden)], dim=1)
    if not together.any(dim=1).all():
        raise ConfigurationError("A frame sees no audio token at all. Widen the frame windows.")
    return together


def windows_to_config(windows: FrameWindows) -> dict[str, Any]:
    """Frame windows as plain values, for the files of an exported pipeline."""
    settings: dict[str, Any] = asdict(windows) if is_dataclass(windows) else {}
    return {"class": type(windows).__name__, **settings}


def windows_from_config(config: Mapping[str, Any]) -> FrameWindows:
    """The frame windows that :func:`windows_to_config` described; only classes of this module are made.

    Raises:
        ConfigurationError: If there are no such windows here.
    """
    kinds = {kind.__name__: kind for kind in vars(sys.modules[__name__]).values() if isinstance(kind, type)}
    kind = kinds.get(config["class"])
    if kind is None or not issubclass(kind, FrameWindows) or kind is FrameWindows:
        raise ConfigurationError(f"There are no frame windows {config['class']!r} in asva_lightning.encoders.windows.")
    made: FrameWindows = kind(**{name: value for name, value in config.items() if name != "class"})
    return made
