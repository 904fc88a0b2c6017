"""The order of a training stream, a pure function of (seed, position), and which positions a rank takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from asva_lightning.data.randomness import Purpose, numpy_generator

WINDOW = 64
"""Samples are shuffled within so many shards, so that a pass reads a large data set region by region."""


@lru_cache(maxsize=4)
def _order(seed: int, number_of_pass: int, sizes: tuple[int, ...], window: int) -> np.ndarray:
    """The order of a pass: shards are shuffled, then the samples of each window of shards; ``(samples,)``."""
    random = numpy_generator(seed, Purpose.ORDER, number_of_pass)
    if len(sizes) <= window:
        return random.permutation(sum(sizes))
    firsts = np.cumsum((0, *sizes))
    shards = random.permutation(len(sizes))
    windows = [shards[first : first + window] for first in range(0, len(shards), window)]
    return np.concatenate(
        [
            random.permutation(np.concatenate([np.arange(firsts[shard], firsts[shard + 1]) for shard in chosen]))
            for chosen in windows
        ]
    )


def sample_at(seed: int, position: int, sizes: tuple[int, ...], window: int = WINDOW) -> int:
    """Which sample stands at a position of the endless stream; every pass visits each sample once.

    Args:
        seed: Another seed gives another order.
        position: Position in the stream.
        sizes: Samples of each shard, in the order of the samples.
        window: Shards whose samples are shuffled together.
    """
    number_of_pass, place = divmod(position, sum(sizes))
    return int(_order(seed, number_of_pass, sizes, window)[place])


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
