"""What a shard gave: one clip, and a batch of clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class BadClip:
    """A clip that could not be read, and why."""

    shard: str
    key: str
    reason: str


@dataclass(frozen=True)
class ClipSample:
    """One clip as it comes out of a shard.

    Args:
        pixels: ``(3, f, h, w)`` uint8.
        waveform: Mono sound, ``(samples,)``.
        text: Class text.
        category: Class name.
        key: Key of the sample in its shard.
        position: Position in the stream, or number of the clip in a fixed list.
        start: Start of the clip in its source, in seconds.
        real: False for a repeat that only keeps ranks in step.
        bad: Clips that were met on the way and could not be read.
    """

    pixels: Tensor
    waveform: Tensor
    text: str
    category: str
    key: str
    position: int
    start: float
    real: bool = True
    bad: tuple[BadClip, ...] = ()


class ClipBatch:
    """A batch of clips.

    It is no dataclass, on purpose: precision plugins look into those and would cast the sound to half precision.

    Args:
        pixels: ``(b, 3, f, h, w)`` uint8.
        waveform: Mono sound, ``(b, samples)``.
        texts: Class text of each clip.
        categories: Class name of each clip.
        keys: Key of each clip's sample.
        positions: Position of each clip in the stream, ``(b,)``.
        starts: Start of each clip in its source in seconds, ``(b,)``.
        real: False for repeats that only keep ranks in step, ``(b,)``.
        bad: Clips that were met on the way and could not be read.
        consumed: Samples of the stream that all ranks together have consumed once this batch is trained on.
    """

    def __init__(
        self,
        pixels: Tensor,
        waveform: Tensor,
        texts: tuple[str, ...],
        categories: tuple[str, ...],
        keys: tuple[str, ...],
        positions: Tensor,
        starts: Tensor,
        real: Tensor,
        bad: tuple[BadClip, ...] = (),
        consumed: int = 0,
    ) -> None:
        self.pixels = pixels
        self.waveform = waveform
        self.texts = texts
        self.categories = categories
        self.keys = keys
        self.positions = positions
        self.starts = starts
        self.real = real
        self.bad = bad
        self.consumed = consumed

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def collate(cls, samples: Sequence[ClipSample]) -> "ClipBatch":
        """Put clips together."""
        return cls(
            pixels=torch.stack([sample.pixels for sample in samples]),
            waveform=torch.stack([sample.waveform for sample in samples]),
            texts=tuple(sample.text for sample in samples),
            categories=tuple(sample.category for sample in samples),
            keys=tuple(sample.key for sample in samples),
            positions=torch.tensor([sample.position for sample in samples]),
            starts=torch.tensor([sample.start for sample in samples], dtype=torch.float64),
            real=torch.tensor([sample.real for sample in samples]),
            bad=tuple(bad for sample in samples for bad in sample.bad),
        )

    def but(self, **changes: Any) -> "ClipBatch":
        """The same batch with some values replaced."""
        return ClipBatch(**{**vars(self), **changes})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ClipBatch":
        """The same batch with its media on a device; what only the host reads stays where it is."""
        return self.but(
            pixels=self.pixels.to(device, non_blocking=non_blocking),
            waveform=self.waveform.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> "ClipBatch":
        """The same batch in page-locked memory."""
        return self.but(pixels=self.pixels.pin_memory(), waveform=self.waveform.pin_memory())
