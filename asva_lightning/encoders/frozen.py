"""Pretrained networks that are used and never trained."""

from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Unregistered(Generic[Network]):
    """Holds a network out of reach of module registration.

    A registered network would be sharded and cast by DeepSpeed, written into every checkpoint, and put into train
    mode (and its drop path switched on) at every epoch. This holder is not a module, so nobody finds the network.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def network(self) -> Network:
        """The network, wherever it is."""
        return self._network

    def on(self, device: torch.device) -> Network:
        """The network, on this device; one that is offloaded between its calls comes there by itself."""
        if hasattr(self._network, "_hf_hook"):
            return self._network
        first = next(self._network.parameters(), None)
        # A part of an offloaded network has no hook of its own, but its tensors are on no device yet.
        if first is not None and first.device != device and first.device.type != "meta":
            self._network.to(device)
        return self._network


class Frozen(Unregistered[Network]):
    """An unregistered network in eval mode and without gradients."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.eval().requires_grad_(False))
