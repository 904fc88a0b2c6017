"""Where a judging network runs."""

import multiprocessing
from typing import Generic

import torch
from torch import Tensor

from asva_lightning.encoders.frozen import Frozen, Network
from asva_lightning.errors import ConfigurationError


class JudgingNetwork(Frozen[Network], Generic[Network]):
    """A frozen network that knows where it is to run: on a GPU if there is one, wherever the clips are.

    Evaluation reads clips on the CPU. A network of the first process of a rank then runs on the GPU of this rank. A
    worker process has no GPU of its own, and so many copies of a network would not fit on one: there it runs on the
    CPU, unless it is told otherwise.

    Args:
        network: The network.
        device: Where it runs, such as ``cuda:1`` or ``cpu``. If not given: where the clips are if that is a GPU, else
            on the current GPU of a process that is no worker, else on the CPU.

    Raises:
        ConfigurationError: If there is no such device here.
    """

    def __init__(self, network: Network, device: str | None = None) -> None:
        super().__init__(network)
        self._told = None if device is None else device_here(device)

    def device_for(self, clips: Tensor) -> torch.device:
        """Where it judges these clips; they have to be moved there, and its answers back to them."""
        if self._told is not None:
            return self._told
        if clips.device.type == "cpu" and torch.cuda.is_available() and multiprocessing.parent_process() is None:
            return torch.device("cuda", torch.cuda.current_device())
        return clips.device


def device_here(device: str) -> torch.device:
    """The device of this name, if a tensor can be put there.

    Args:
        device: A name such as ``cuda:1`` or ``cpu``.

    Raises:
        ConfigurationError: If there is none here.
    """
    try:
        told = torch.device(device)
        torch.empty(0, device=told)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with CUDA
        raise ConfigurationError(
            f"A judging network cannot run on device {device!r} here: {str(error).splitlines()[0]}. There are "
            f"{torch.cuda.device_count()} GPUs (cuda:0, ...). Take cpu, or leave `device` out."
        ) from error
    return told
