"""How the errors of different noise levels are weighed against each other."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.diffusion.targets import Target
from asva_lightning.errors import ConfigurationError


class Weighting(ABC):
    """A weight for the loss of each clip."""

    @abstractmethod
    def __call__(self, signal_to_noise: Tensor, target: Target) -> Tensor:
        """Weights ``(b,)`` of clips noised to a signal-to-noise ratio ``(b,)``."""


@dataclass(frozen=True)
class UniformWeighting(Weighting):
    """Every level counts the same, as in the method."""

    def __call__(self, signal_to_noise: Tensor, target: Target) -> Tensor:
        """1."""
        return torch.ones_like(signal_to_noise)


@dataclass(frozen=True)
class MinSnrWeighting(Weighting):
    """``min(SNR, gamma)`` on the error of the clean latents, whatever the target is (Hang et al., 2023).

    Levels with little noise, whose clean latents are easily told, count less. For a target whose squared error is ``k``
    times that of the clean latents the weight is ``min(SNR, gamma) / k``: with ``k = SNR`` for epsilon, ``SNR + 1`` for
    v, 1 for clean latents, ``(sqrt(SNR) + 1)^2`` for flow.

    Args:
        gamma: The bound.

    Raises:
        ConfigurationError: If it is not positive.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        if not self.gamma > 0:
            raise ConfigurationError(f"MinSnrWeighting needs gamma > 0, not {self.gamma}.")

    def __call__(self, signal_to_noise: Tensor, target: Target) -> Tensor:
        """``min(SNR, gamma) / k``; where no signal is left, its limit for epsilon is 1."""
        bounded = signal_to_noise.clamp(min=1e-8)
        return bounded.clamp(max=self.gamma) / target.error_ratio(bounded)
