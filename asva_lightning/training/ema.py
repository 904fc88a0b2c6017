"""The exponential moving average of the trained weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.training.fragments import Fragment, gather, own_fragment, publish, scatter, write_fragment


class ExponentialMovingAverage:
    """Averages the trained parameters in fp32, each rank the part that it owns (see :mod:`.fragments`).

    After update ``n`` (from 1) the average is ``a <- d a + (1 - d) w`` with ``d = min(decay, n / (n + warmup))``, so
    that a young average is not held back by the weights it began with; without warm-up ``d`` is the decay from the
    start.

    Attributes:
        updates: Optimizer steps that were taken into account.
        lent: Whether the module has the average at this moment.

    Args:
        decay: How much of the average is kept at each optimizer step.
        warmup: Steps over which the decay rises; 0 for none.

    Raises:
        ConfigurationError: If the decay is not in [0, 1), or the warm-up negative.
    """

    def __init__(self, decay: float = 0.9999, warmup: float = 9.0) -> None:
        if not 0 <= decay < 1:
            raise ConfigurationError(f"The decay of the average must be in [0, 1), not {decay}.")
        if warmup < 0:
            raise ConfigurationError(f"The warm-up of the average cannot be negative, but is {warmup}.")
        self.decay = decay
        self.warmup = warmup
        self.updates = 0
        self._parameters: dict[str, nn.Parameter] = {}
        self._averages: dict[str, Tensor] = {}
        self.lent = False

    def begin(self, module: nn.Module) -> None:
        """Start from the weights as they are; called once the strategy has laid them out."""
        self._parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self._averages = {name: fragment.weights.float().clone() for name, fragment in self._fragments().items()}

    @property
    def begun(self) -> bool:
        """Whether there is an average."""
        return bool(self._parameters)

    @torch.no_grad()
    def update(self) -> None:
        """Take one optimizer step into account."""
        self.updates += 1
        decay = self.decay_at(self.updates)
        fragments = self._fragments()
        averages = [self._averages[name] for name in fragments]
        torch._foreach_lerp_(averages, [fragment.weights.float() for fragment in fragments.values()], 1 - decay)

    def decay_at(self, update: int) -> float:
        """The decay of an update, counted from 1."""
        return min(self.decay, update / (update + self.warmup))

    @contextmanager
    def applied(self, wrapped: nn.Module | None = None) -> Iterator[None]:
        """Lend the average to the module; afterwards the live weights are back, untouched. Collective under ZeRO.

        Args:
            wrapped: What the strategy made of the module.
        """
        assert not self.lent, "the average is lent already"
        live = {name: fragment.weights.clone() for name, fragment in self._fragments().items()}
        self._write(self._averages, wrapped)
        self.lent = True
        try:
            yield
        finally:
            self._write(live, wrapped)
            self.lent = False

    def state(self) -> dict[str, Any]:
        """The average in full, by parameter, on rank zero; elsewhere without tensors. Collective.

        The same layout for one device, DDP and every ZeRO stage.
        """
        assert not self.lent, "a checkpoint cannot be written while the average is lent"
        tensors = {}
        for name, parameter in self._parameters.items():
            fragment = own_fragment(parameter)
            own = None if fragment is None else Fragment(fragment.start, self._averages[name])
            full = gather(parameter, own)
            if full is not None:
                tensors[name] = full
        return {"parameters": tensors, "updates": self.updates}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state that rank zero holds in full. Collective.

        Raises:
            WeightsError: If it is of other parameters.
        """
        tensors: Mapping[str, Tensor] = state["parameters"]
        for name, parameter in self._parameters.items():
            if tensors and name not in tensors:
                raise WeightsError(f"The checkpoint's average has no {name}. Is it of another configuration?")
            own = scatter(parameter, tensors.get(name))
            if own is not None:
                self._averages[name] = own
        self.updates = int(state["updates"])

    def _fragments(self) -> dict[str, Fragment]:
        fragments = ((name, own_fragment(parameter)) for name, parameter in self._parameters.items())
        return {name: fragment for name, fragment in fragments if fragment is not None}

    @torch.no_grad()
    def _write(self, weights: Mapping[str, Tensor], wrapped: nn.Module | None) -> None:
        for name, parameter in self._parameters.items():
            if name in weights:
                write_fragment(parameter, weights[name])
        publish(wrapped)
