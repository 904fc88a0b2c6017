"""Loaders: the endless training stream that knows where it is, and the fixed list."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from asva_lightning.data.batch import ClipBatch
from asva_lightning.data.clips import FixedClips, NoGoodClip, TrainingClips, collate
from asva_lightning.data.order import FixedSampler, PositionSampler
from asva_lightning.data.streaming import StreamedClips
from asva_lightning.data.watchdog import watched
from asva_lightning.errors import TooManyBadClips


@dataclass(frozen=True)
class Reading:
    """How batches are read; none of it changes what is in them.

    Args:
        workers: Processes that read clips.
        pin_memory: Whether batches are made in page-locked memory.
        stall_seconds: How long to wait for a batch before the clip that hangs is named and the run ends.
    """

    workers: int = 0
    pin_memory: bool = False
    stall_seconds: float = 600.0

    def batches(self, **options: Any) -> Iterator[ClipBatch | NoGoodClip]:
        """The batches of a torch loader; all randomness is in the clips, so workers need no seeds."""
        return watched(
            self.stall_seconds,
            self.workers,
            collate_fn=collate,
            pin_memory=self.pin_memory,
            prefetch_factor=4 if self.workers else None,
            **options,
        )


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
        reading: How batches are read.
    """

    def __init__(
        self,
        clips: TrainingClips | StreamedClips,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        reading: Reading | None = None,
    ) -> None:
        self.clips = clips
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.reading = reading or Reading()
        self.consumed = 0

    def __iter__(self) -> Iterator[ClipBatch]:
        consumed = self.consumed
        for batch in self._batches(consumed):
            consumed += self.batch_size * self.world_size
            yield good_batch(batch).but(consumed=consumed)

    def _batches(self, consumed: int) -> Iterator[ClipBatch | NoGoodClip]:
        if isinstance(self.clips, StreamedClips):
            return self.reading.batches(dataset=replace(self.clips, first=consumed), batch_size=self.batch_size)
        sampler = PositionSampler(self.batch_size, self.rank, self.world_size, consumed)
        return self.reading.batches(dataset=self.clips, batch_sampler=sampler)

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
        reading: How batches are read.
    """

    def __init__(self, clips: FixedClips, places: FixedSampler, reading: Reading | None = None) -> None:
        self.clips = clips
        self.places = places
        self.reading = reading or Reading()

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[ClipBatch]:
        for batch in self.reading.batches(dataset=self.clips, batch_sampler=self.places):
            yield good_batch(batch)


def good_batch(batch: ClipBatch | NoGoodClip) -> ClipBatch:
    """The batch, or an error if no good clip could be found for a place in it.

    Raises:
        TooManyBadClips: If so many clips in a row were bad, or all that were tried are in quarantine.
    """
    if isinstance(batch, ClipBatch):
        return batch
    if not batch.bad:
        raise TooManyBadClips(
            "There is no clip for a place of a batch: all that were tried for it are in quarantine. Shorten the list "
            "that --data.quarantine names, or build the shards again without those clips."
        )
    last = batch.bad[-1]
    raise TooManyBadClips(
        f"{len(batch.bad)} clips in a row could not be read, the last one {last.key} in {last.shard}: {last.reason}. "
        "Look at the shards with `python -m asva_lightning shards lint`, or build them again."
    )
