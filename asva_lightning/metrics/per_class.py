"""Numbers of each class: how metrics keep the class of a clip over batches and ranks."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError

Kept = list[Tensor] | Tensor
"""A state of a metric: a list while clips come in; one tensor while those of all ranks are gathered.

All are flat and of one type, because torchmetrics gathers such a tensor, empty, from a rank without clips.
"""


def classes_of(clips: int, classes: Sequence[int] | Tensor | None, kept_as: torch.dtype) -> Tensor:
    """The class of each clip of a batch.

    Args:
        clips: Number of clips.
        classes: A whole number for each clip, which means the same class on every rank; 0 for all if not given.
        kept_as: The type of the metric's states.

    Returns:
        ``(clips,)`` in this type.

    Raises:
        ConfigurationError: If there are more or fewer classes than clips, or they are no whole numbers that this type
            holds.
    """
    try:
        found = torch.zeros(clips, dtype=torch.long) if classes is None else torch.as_tensor(classes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigurationError(f"Classes are whole numbers, one for each clip, not {classes!r}.") from error
    if found.shape != (clips,):
        raise ConfigurationError(
            f"A batch of {clips} clips has classes of shape {tuple(found.shape)}. Give one number for each clip."
        )
    kept = found.to(kept_as)
    if not torch.equal(kept.double(), found.double()) or not torch.equal(kept.double(), kept.double().round()):
        raise ConfigurationError(
            f"Classes are whole numbers that {kept_as} holds exactly, not {found.tolist()}. Number the classes from 0, "
            "and leave the type of the metric at float32."
        )
    return kept


def gathered(kept: Kept) -> Tensor:
    """All that a metric kept, one after the other, ``(n,)``; empty where it met no clip."""
    if isinstance(kept, Tensor):
        return kept
    return torch.cat(kept) if kept else torch.empty(0)


def each_class(value: Callable[[int], float], *classes: Tensor) -> dict[int, float]:
    """The value of every class that occurs, in the order of their numbers.

    Args:
        value: Gives the value of a class.
        *classes: Classes of clips, ``(n,)`` each.
    """
    numbers = {int(number) for of_clips in classes for number in of_clips.tolist()}
    return {number: value(number) for number in sorted(numbers)}
