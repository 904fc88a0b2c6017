"""Loaders: the endless training stream that knows where it is, and the fixed list."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from asva_lightning.data.batch import ClipBatch
from asva_lightning.data.clips import FixedClips, NoGoodClip, TrainingClips, collate
from asva_lightning.data.order import FixedSampler, PositionSampler
from asva_lightning.errors import TooManyBadClips


class TrainingLoader:
    """An endless stream of batches whose whole state is one number: the samples that all ranks have consumed.

    Lightning fetches ahead of what is trained on, and asks for the state at any time. So the number is moved by
    whoever trains (:meth:`trained`), never by fetching. Lightning saves it with a checkpoint and gives it back before
    the first batch is fetched.

    Args:
        clips: What stands at each position.
        batch_size: Clips that this rank takes at a time.
        rank: This process.
        world_size: Number of processes.
        workers: Processes that read clips.
        pin_memory: Whether batches are made in page-locked memory.
    """

    def __init__(
        self,
        clips: TrainingClips,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.clips = clips
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.workers = workers
        self.pin_memory = pin_memory
        self.consumed = 0

    def __iter__(self) -> Iterator[ClipBatch]:
        consumed = self.consumed
        sampler = PositionSampler(self.batch_size, self.rank, self.world_size, consumed)
        for batch in make_loader(self.clips, sampler, self.workers, self.pin_memory):
            consumed += self.batch_size * self.world_size
            yield good_batch(batch).but(consumed=consumed)

    def trained(self, batch: ClipBatch) -> None:
        """Note that a batch is being trained on."""
        self.consumed = batch.consumed

    def state_dict(self) -> dict[str, Any]:
        """The samples consumed."""
        return {"consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue behind the samples consumed, with any number of ranks or workers."""
        self.consumed = int(state["consumed"])


class FixedLoader:
    """Every clip of a fixed list once over all ranks.

    Args:
        clips: The list.
        places: Which clips this rank takes (an attribute called "sampler" would make Lightning look for more).
        workers: Processes that read clips.
        pin_memory: Whether batches are made in page-locked memory.
    """

    def __init__(self, clips: FixedClips, places: FixedSampler, workers: int = 0, pin_memory: bool = False) -> None:
        self.clips = clips
        self.places = places
        self.workers = workers
        self.pin_memory = pin_memory

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[ClipBatch]:
        for batch in make_loader(self.clips, self.places, self.workers, self.pin_memory):
            yield good_batch(batch)


def make_loader(
    clips: TrainingClips | FixedClips, sampler: PositionSampler | FixedSampler, workers: int, pin_memory: bool
) -> "DataLoader[Any]":
    """A torch loader over positions; all randomness is in the clips, so workers need no seeds."""
    return DataLoader(
        clips,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        prefetch_factor=4 if workers else None,
    )


def good_batch(batch: ClipBatch | NoGoodClip) -> ClipBatch:
    """The batch, or an error if no good clip could be found for a place in it.

    Raises:
        TooManyBadClips: If so many clips in a row were bad.
    """
    if isinstance(batch, ClipBatch):
        return batch
    last = batch.bad[-1]
    raise TooManyBadClips(
        f"{len(batch.bad)} clips in a row could not be read, the last one {last.key} in {last.shard}: {last.reason}. "
        "Look at the shards with `python -m asva_lightning shards info`, or build them again."
    )
