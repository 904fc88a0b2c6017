"""The training objective: how latents are noised, what the network predicts, and how far off it is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DDPMScheduler
from torch import Tensor


class Target(ABC):
    """What the network predicts.

    Attributes:
        prediction_type: The name of this target in diffusers' schedulers.
    """

    prediction_type: ClassVar[str]

    @abstractmethod
    def __call__(self, schedule: Any, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """The target ``(b, c, f, h, w)`` of latents noised to levels ``(b,)`` of the schedule."""


@dataclass(frozen=True)
class EpsilonTarget(Target):
    """The noise itself (Ho et al., 2020), as the method."""

    prediction_type: ClassVar[str] = "epsilon"

    def __call__(self, schedule: Any, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """``eps``."""
        return noise


@dataclass(frozen=True)
class VelocityTarget(Target):
    """v-prediction, ``sqrt(a) eps - sqrt(1 - a) z`` (Salimans and Ho, 2022)."""

    prediction_type: ClassVar[str] = "v_prediction"

    def __call__(self, schedule: Any, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """``sqrt(a_t) eps - sqrt(1 - a_t) z`` with ``a_t`` the cumulative signal share."""
        velocity: Tensor = schedule.get_velocity(latents, noise, timestep)
        return velocity


@dataclass(frozen=True)
class CleanTarget(Target):
    """The clean latents themselves.

    A small network learns this soonest: it need not carry the noise through all its layers, as it must to predict it.
    """

    prediction_type: ClassVar[str] = "sample"

    def __call__(self, schedule: Any, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """``z``."""
        return latents


class Objective:
    """Mean squared error of the target over all frames but the first, whose latent stays clean.

    The defaults are the method's: noise prediction over Stable Diffusion's noise schedule.

    Args:
        target: What the network predicts.
        steps: Noise levels of the schedule.
        beta_start: First beta of the schedule.
        beta_end: Last beta of the schedule.
        beta_schedule: Its form, a name known to diffusers.
    """

    def __init__(
        self,
        target: Target | None = None,
        steps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
    ) -> None:
        self.target = target or EpsilonTarget()
        self.steps = steps
        self.schedule_config: dict[str, Any] = {
            "num_train_timesteps": steps,
            "beta_start": beta_start,
            "beta_end": beta_end,
            "beta_schedule": beta_schedule,
            "prediction_type": self.target.prediction_type,
        }
        self._schedule: Any = DDPMScheduler(**self.schedule_config)

    def add_noise(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Noise all frames but the first.

        Args:
            latents: Clean latents ``(b, c, f, h, w)``.
            noise: As large.
            timestep: Level of each clip, ``(b,)`` integers below ``steps``.
        """
        noisy = self._schedule.add_noise(latents[:, :, 1:], noise[:, :, 1:], timestep)
        return torch.cat([latents[:, :, :1], noisy], dim=2)

    def loss(self, prediction: Tensor, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Mean squared error of each clip, ``(b,)``; the first frame does not count."""
        target = self.target(self._schedule, latents[:, :, 1:], noise[:, :, 1:], timestep)
        return (prediction[:, :, 1:].float() - target.float()).square().mean(dim=(1, 2, 3, 4))
