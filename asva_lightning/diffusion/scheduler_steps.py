"""Any scheduler of diffusers as one walk: those of straight paths lack some methods of the others."""

import inspect
from typing import Any

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError


class SchedulerSteps:
    """The steps of one walk from noise to latents.

    Args:
        scheduler: Any scheduler of diffusers; its time steps are set.
        steps: Number of steps.
        device: Where the walk takes place.
        generator: For schedulers that draw noise at their steps; one, or one a clip.
    """

    def __init__(
        self,
        scheduler: Any,
        steps: int,
        device: torch.device,
        generator: torch.Generator | list[torch.Generator] | None = None,
    ) -> None:
        scheduler.set_timesteps(steps, device=device)
        self._scheduler = scheduler
        self._draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
        self.timesteps: Tensor = scheduler.timesteps

    def begin(self, noise: Tensor) -> Tensor:
        """Where the walk begins."""
        return noise * getattr(self._scheduler, "init_noise_sigma", 1.0)

    def scale(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents as the network is to see them; schedulers of straight paths scale nothing."""
        if not hasattr(self._scheduler, "scale_model_input"):
            return latents
        scaled: Tensor = self._scheduler.scale_model_input(latents, timestep)
        return scaled

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Clean latents with the noise of a step: ``(1 - s) z + s eps`` on a straight path, at the step ``1000 s``."""
        if hasattr(self._scheduler, "add_noise"):
            noisy: Tensor = self._scheduler.add_noise(clean, noise, timestep[None])
            return noisy
        return torch.lerp(clean, noise, (timestep[None] / self._scheduler.config.num_train_timesteps).to(clean.dtype))

    def step(self, prediction: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """The latents after a step."""
        stepped: Tensor = self._scheduler.step(prediction, timestep, latents, **self._draws).prev_sample
        return stepped


def check_steps(scheduler: Any, steps: int) -> None:
    """Find out before anything costs time whether a scheduler can walk in so many steps.

    Args:
        scheduler: Any scheduler of diffusers; it is left as it is.
        steps: Number of steps.

    Raises:
        ConfigurationError: If it cannot.
    """
    if steps < 1:
        raise ConfigurationError(f"Sampling needs at least one step, not {steps}.")
    levels = int(scheduler.config.num_train_timesteps)
    if steps > levels:  # some then raise, others step on the spot
        raise ConfigurationError(f"Sampling takes at most {levels} steps, one for each level of noise, not {steps}.")
    latents = torch.zeros(1, 1, 1, 1, 1)
    try:
        with torch.random.fork_rng(devices=[]):  # some draw noise, and it is not theirs
            walk = SchedulerSteps(type(scheduler).from_config(scheduler.config), steps, latents.device)
            walk.step(walk.scale(latents, walk.timesteps[0]), walk.timesteps[0], latents)
    except (ValueError, LookupError, NotImplementedError) as error:
        reason = str(error).rstrip(".")
        raise ConfigurationError(
            f"{type(scheduler).__name__} cannot sample in {steps} steps: {reason}. Set --steps to another number, or "
            "--scheduler to another one."
        ) from error
