"""What the network predicts, and the path from clean latents to noise that belongs to it."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class Target(ABC):
    """What the network predicts, of latents ``z`` and noise ``eps``.

    ``share`` is how much signal is left in a noised latent, ``a_t`` in ``sqrt(a_t) z + sqrt(1 - a_t) eps``, shaped for
    clips: ``(b, 1, 1, 1, 1)``.

    Attributes:
        prediction_type: The name of this target in diffusers' schedulers.
        straight: Whether latents are noised along a straight line, ``(1 - s) z + s eps``, as in flow matching.
    """

    prediction_type: ClassVar[str]
    straight: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, share: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
        """The target ``(b, c, f, h, w)``."""

    @abstractmethod
    def of_clean(self, latents: Tensor) -> Tensor:
        """The target of latents that hold no noise, such as those of the first frame."""

    @abstractmethod
    def error_ratio(self, signal_to_noise: Tensor) -> Tensor:
        """Squared error of this target for each squared error of the clean latents, ``(b,)``."""


class EpsilonTarget(Target):
    """The noise itself, ``eps`` (Ho et al., 2020), as the method."""

    prediction_type: ClassVar[str] = "epsilon"

    def __call__(self, share: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
        """``eps``."""
        return noise

    def of_clean(self, latents: Tensor) -> Tensor:
        """Zero: there is no noise."""
        return torch.zeros_like(latents)

    def error_ratio(self, signal_to_noise: Tensor) -> Tensor:
        """``SNR``."""
        return signal_to_noise


class VelocityTarget(Target):
    """v-prediction, ``sqrt(a_t) eps - sqrt(1 - a_t) z`` (Salimans and Ho, 2022)."""

    prediction_type: ClassVar[str] = "v_prediction"

    def __call__(self, share: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
        """``sqrt(a_t) eps - sqrt(1 - a_t) z``."""
        return share.sqrt() * noise - (1 - share).sqrt() * latents

    def of_clean(self, latents: Tensor) -> Tensor:
        """Zero: with ``a_t = 1`` neither noise nor latents are left in it."""
        return torch.zeros_like(latents)

    def error_ratio(self, signal_to_noise: Tensor) -> Tensor:
        """``SNR + 1``."""
        return signal_to_noise + 1


class CleanTarget(Target):
    """The clean latents themselves.

    A small network learns this soonest: it need not carry the noise through all its layers, as it must to predict it.
    """

    prediction_type: ClassVar[str] = "sample"

    def __call__(self, share: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
        """``z``."""
        return latents

    def of_clean(self, latents: Tensor) -> Tensor:
        """``z``."""
        return latents

    def error_ratio(self, signal_to_noise: Tensor) -> Tensor:
        """1."""
        return torch.ones_like(signal_to_noise)


class FlowTarget(Target):
    """The direction of the straight path from clean latents to noise, ``eps - z`` (Lipman et al., 2023).

    Latents are noised as ``(1 - s) z + s eps``; sample with a scheduler such as FlowMatchEulerDiscreteScheduler.
    """

    prediction_type: ClassVar[str] = "flow_prediction"
    straight: ClassVar[bool] = True

    def __call__(self, share: Tensor, latents: Tensor, noise: Tensor) -> Tensor:
        """``eps - z``."""
        return noise - latents

    def of_clean(self, latents: Tensor) -> Tensor:
        """``-z``, what is to be expected where nothing is known of the noise."""
        return -latents

    def error_ratio(self, signal_to_noise: Tensor) -> Tensor:
        """``1 / s^2 = (sqrt(SNR) + 1)^2``, as ``sqrt(SNR) = (1 - s) / s``."""
        return (signal_to_noise.sqrt() + 1) ** 2
