"""Compute: the same training for less time or less memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.errors import ConfigurationError

SHAPES = 64
"""Batch shapes for which a compiled denoiser may have a graph."""


@dataclass(frozen=True)
class Compute:
    """How the denoiser is computed. What it learns stays the same, up to the order of float sums.

    `python benchmarks/denoiser.py` measures each; its row ``shared`` is the plain path, and its ratios are to a network
    that shares nothing. For bf16 or fp16, set ``trainer.precision``.

    Args:
        compile: Backend of ``torch.compile`` for the denoiser, as one graph: ``inductor`` (needs a C++ compiler, and
            Triton on a GPU); nothing is compiled if not given. The first step, and the first sample, take longer.
        activation_checkpointing: Keep for the backward pass only what enters each residual block and transformer, and
            compute the rest once more.
        channels_last: Lay pictures out in memory with their channels last. On a CPU, and on a GPU in half precision,
            convolutions may be faster.
    """

    compile: str | None = None
    activation_checkpointing: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.compile is not None and self.compile not in torch.compiler.list_backends(exclude_tags=()):
            known = ", ".join(torch.compiler.list_backends())
            raise ConfigurationError(
                f"compute.compile is a backend of torch.compile such as inductor, not {self.compile!r}. Known: {known}."
            )

    def apply(self, denoiser: AVSyncUNet, strategy: Any = None) -> None:
        """Prepare a network; to do it again changes nothing.

        Args:
            denoiser: The network.
            strategy: The trainer's strategy, which may not allow everything.

        Raises:
            ConfigurationError: If compilation is asked for under ZeRO-3.
        """
        if self.compile is not None and _stage(strategy) == 3:
            raise ConfigurationError(
                "compute.compile does not go with ZeRO-3, which gathers parameters layer by layer while a compiled "
                "graph runs as a whole. Use ZeRO-2, or leave compute.compile out."
            )
        if self.activation_checkpointing:
            # Not the function that diffusers brings: the compiler warns of what it asks on every call.
            denoiser.enable_gradient_checkpointing(partial(checkpoint, use_reentrant=False))
        if self.channels_last:
            # The weights stay as they are: optimizers, averages and ZeRO take them for flat rows of numbers.
            denoiser.memory_format = torch.channels_last
        if self.compile is not None and "predict" not in vars(denoiser):
            compiled = torch.compile(denoiser.predict, backend=self.compile, fullgraph=True, dynamic=False)
            vars(denoiser)["predict"] = _with_many_shapes(compiled)


def _with_many_shapes(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Let a compiled function have a graph for each of more shapes than torch's eight.

    Training, validation, samples, their scores and guidance each bring batches of their own sizes, and a function that
    must be one graph ends the run where it has no graph left.
    """

    @wraps(compiled)
    def call(*args: Any, **kwargs: Any) -> Any:
        with torch._dynamo.config.patch(recompile_limit=SHAPES):
            return compiled(*args, **kwargs)

    return call


def _stage(strategy: Any) -> int:
    """The ZeRO stage of a strategy; 0 where it is none of DeepSpeed's."""
    settings = getattr(strategy, "config", None)
    return int(settings.get("zero_optimization", {}).get("stage", 0)) if isinstance(settings, dict) else 0
