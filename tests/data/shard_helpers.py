"""What tests of shards and streams have in common."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch

from asva_lightning.data.clips import ClipReader, TrainingClips
from asva_lightning.data.manifest import Dataset, SampleRecord
from asva_lightning.media import ClipFormat

FORMAT = ClipFormat(frames=4, fps=4, height=16, width=16)
"""One second."""


def training_clips(folder: Path, seed: int = 0, flip: float = 0.5) -> TrainingClips:
    return TrainingClips(ClipReader(FORMAT), Dataset.open(folder).samples("train"), seed, flip)


def spoil(folder: Path, samples: Iterable[SampleRecord]) -> None:
    """Write garbage over the media of samples; the tar stays a tar."""
    for sample in samples:
        with (folder / sample.shard).open("r+b") as file:
            file.seek(sample.offset)
            file.write(b"\xa5" * sample.size)


def same(one, other) -> bool:
    """Whether two clips or batches show and sound the same."""
    return torch.equal(one.pixels, other.pixels) and torch.equal(one.waveform, other.waveform)


def first(loader, count: int) -> list:
    return list(islice(iter(loader), count))
