"""What the ranks of a run tell each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import lightning.pytorch as pl
import torch

from asva_lightning.errors import AsvaError, WorkFailed

Value = TypeVar("Value")


@contextmanager
def all_or_none(trainer: pl.Trainer) -> Iterator[None]:
    """What one rank cannot do within it ends all ranks, rather than leaving the others to wait for it.

    All ranks must enter it together, and it must hold nothing that waits for other ranks.

    Raises:
        WorkFailed: On the ranks that could do their part, with the message of the first that could not, which itself
            raises what it met.
    """
    own: AsvaError | OSError | None = None
    try:
        yield
    except (AsvaError, OSError) as error:
        own = error
    told = gather(trainer, {trainer.global_rank: None if own is None else str(own)})
    if own is not None:
        raise own
    for rank, text in enumerate(told):
        if text is not None:
            raise WorkFailed(f"Rank {rank} could not go on: {text}")


def gather(trainer: pl.Trainer, values: dict[int, Value]) -> list[Value]:
    """The values of all ranks, in order, on every rank."""
    parts: list[dict[int, Value]] = [values]
    if trainer.world_size > 1:
        parts = [{} for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(parts, values)
    together = {place: value for part in parts for place, value in part.items()}
    return [together[place] for place in sorted(together)]
