"""What a shard gave: one clip, and a batch of clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError


class Pixels:
    """The pixels of a clip or batch, or an error that says what to do where its shards hold latents."""

    def __get__(self, owner: Any, kind: type | None = None) -> Tensor:
        """The pixels.

        Raises:
            ConfigurationError: If there are none.
        """
        pixels: Tensor | None = vars(owner)["pixels"]
        if pixels is None:
            raise ConfigurationError(NO_PIXELS)
        return pixels

    def __set__(self, owner: Any, pixels: Tensor | None) -> None:
        """Keep the pixels, where there are some."""
        vars(owner)["pixels"] = pixels


NO_PIXELS = (
    "Pixels are needed, but these shards hold latents, which `shards encode` made. For samples, scores and predictions "
    "set --data.evaluation_shards to the shards that were encoded; to train on pixels set --data.shards to them."
)


@dataclass(frozen=True)
class BadClip:
    """A clip that could not be read, and why."""

    shard: str
    key: str
    reason: str


class ClipSample:
    """One clip as it comes out of a shard.

    Args:
        pixels: ``(3, f, h, w)`` uint8; to ask for them is an error where the shard holds latents.
        waveform: Mono sound, ``(samples,)``.
        text: Class text.
        category: Class name.
        key: Key of the sample in its shard.
        position: Position in the stream, or number of the clip in a fixed list.
        start: Start of the clip in its source, in seconds.
        real: False for a repeat that only keeps ranks in step.
        bad: Clips that were met on the way and could not be read.
        latents: What the codec knows of each frame, ``(1, f, c, h, w)``: the mean; ``(2, f, c, h, w)``: mean and
            standard deviation. Only where the shard holds latents.
        audio: Tokens of the sound, ``(m, d)``, where the shard holds them.
    """

    pixels = Pixels()

    def __init__(
        self,
        pixels: Tensor | None,
        waveform: Tensor,
        text: str,
        category: str,
        key: str,
        position: int,
        start: float,
        real: bool = True,
        bad: tuple[BadClip, ...] = (),
        latents: Tensor | None = None,
        audio: Tensor | None = None,
    ) -> None:
        self.pixels = pixels
        self.waveform = waveform
        self.text = text
        self.category = category
        self.key = key
        self.position = position
        self.start = start
        self.real = real
        self.bad = bad
        self.latents = latents
        self.audio = audio


MEDIA = ("pixels", "waveform", "latents", "audio")
"""What of a clip goes to the device."""


class ClipBatch:
    """A batch of clips.

    It is no dataclass, on purpose: precision plugins look into those and would cast the sound to half precision.

    Args:
        pixels: ``(b, 3, f, h, w)`` uint8; to ask for them is an error where the shards hold latents.
        waveform: Mono sound, ``(b, samples)``.
        texts: Class text of each clip.
        categories: Class name of each clip.
        keys: Key of each clip's sample.
        positions: Position of each clip in the stream, ``(b,)``.
        starts: Start of each clip in its source in seconds, ``(b,)``.
        real: False for repeats that only keep ranks in step, ``(b,)``.
        bad: Clips that were met on the way and could not be read.
        consumed: Samples of the stream that all ranks together have consumed once this batch is trained on.
        latents: Mean, or mean and standard deviation, of each frame's latents, ``(b, 1 or 2, f, c, h, w)``.
        audio: Tokens of the sound, ``(b, m, d)``.
    """

    pixels = Pixels()

    def __init__(
        self,
        pixels: Tensor | None,
        waveform: Tensor,
        texts: tuple[str, ...],
        categories: tuple[str, ...],
        keys: tuple[str, ...],
        positions: Tensor,
        starts: Tensor,
        real: Tensor,
        bad: tuple[BadClip, ...] = (),
        consumed: int = 0,
        latents: Tensor | None = None,
        audio: Tensor | None = None,
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
        self.latents = latents
        self.audio = audio

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def collate(cls, samples: Sequence[ClipSample]) -> "ClipBatch":
        """Put clips together."""
        parts = {name: [vars(sample)[name] for sample in samples] for name in MEDIA}
        media: dict[str, Any] = {name: None if of[0] is None else torch.stack(of) for name, of in parts.items()}
        return cls(
            **media,
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
        return self._with_media(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "ClipBatch":
        """The same batch in page-locked memory."""
        return self._with_media(Tensor.pin_memory)

    def _with_media(self, change: Callable[[Tensor], Tensor]) -> "ClipBatch":
        there = {name: vars(self)[name] for name in MEDIA if vars(self)[name] is not None}
        return self.but(**{name: change(tensor) for name, tensor in there.items()})
