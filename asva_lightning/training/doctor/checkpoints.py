"""Activation checkpointing, as it is counted: which blocks are computed once more, and what enters them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Checkpoints:
    """Calls the blocks of a network as `Compute` has them called, and notes every call in ``calls``.

    Autograd keeps nothing of what happens in such a block: torch keeps what enters it, where no hook sees it.

    Args:
        again: Makes what a block is computed in for the second time.
    """

    def __init__(self, again: Callable[[], AbstractContextManager[Any]]) -> None:
        self._again = again
        self.calls: list[tuple[nn.Module, tuple[Any, ...]]] = []

    def __call__(self, block: nn.Module, *inputs: Any) -> Any:
        """Call a block."""
        self.calls.append((block, inputs))
        return checkpoint(block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), self._again()))


def tensors_in(tree: Any) -> Iterator[Tensor]:
    """All tensors of nested lists, tuples and dataclasses."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from tensors_in(part)
    elif is_dataclass(tree):
        for field in fields(tree):
            yield from tensors_in(getattr(tree, field.name))
