"""The order of a training stream, a pure function of (seed, position), and which positions a rank takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from asva_lightning.data.randomness import Purpose, numpy_generator


@lru_cache(maxsize=4)
def _permutation(seed: int, number_of_pass: int, count: int) -> np.ndarray:
    return numpy_generator(seed, Purpose.ORDER, number_of_pass).permutation(count)


def sample_at(seed: int, position: int, count: int) -> int:
    """Which of ``count`` samples stands at a position of the endless stream; every pass visits each sample once."""
    number_of_pass, place = divmod(position, count)
    return int(_permutation(seed, number_of_pass, count)[place])


def substitute_at(seed: int, position: int, attempt: int, count: int) -> int:
    """Which sample takes the place of a bad one; the positions of all other samples stay as they are."""
    return int(numpy_generator(seed, Purpose.SUBSTITUTE, position, attempt).integers(count))


@dataclass
class PositionSampler:
    """Endless batches of positions for one rank.

    Every global micro-batch takes the next ``world_size * batch_size`` positions; the rank takes its stretch of them.
    So the same positions meet in one optimizer step however many ranks share it.

    Args:
        batch_size: Clips that one rank takes at a time.
        rank: This process.
        world_size: Number of processes.
        consumed: Position of the stream at which to start: the samples that all ranks have consumed.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1
    consumed: int = 0

    def __iter__(self) -> Iterator[list[int]]:
        position = self.consumed
        while True:
            start = position + self.rank * self.batch_size
            yield list(range(start, start + self.batch_size))
            position += self.world_size * self.batch_size


@dataclass
class FixedSampler:
    """Every one of ``count`` clips exactly once over all ranks, in equally many batches on each.

    Ranks must make equally many forward passes under sharding, so short ranks repeat clips; a repeat is handed out as
    ``-1 - clip`` and is never counted.
    """

    count: int
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        share = ceil(self.count / self.world_size)
        places = [self.rank + self.world_size * turn for turn in range(share)]
        clips = [place if place < self.count else -1 - place % self.count for place in places]
        for start in range(0, share, self.batch_size):
            yield clips[start : start + self.batch_size]

    def __len__(self) -> int:
        return ceil(ceil(self.count / self.world_size) / self.batch_size)
