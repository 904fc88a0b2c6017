"""The training objective: how latents are noised, what the network predicts, and how far off it is."""

import math
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from asva_lightning.diffusion.targets import EpsilonTarget, Target
from asva_lightning.diffusion.weighting import UniformWeighting, Weighting
from asva_lightning.errors import ConfigurationError


class Objective:
    """Weighted mean squared error of the target over all frames but the first, whose latent stays clean.

    The defaults are the method's: noise prediction over Stable Diffusion's noise schedule, all levels alike.

    Args:
        target: What the network predicts.
        steps: Noise levels of the schedule, at least one.
        beta_start: First beta of the schedule, between 0 and 1.
        beta_end: Last beta of the schedule, between 0 and 1.
        beta_schedule: Its form, a name known to diffusers' DDPMScheduler.
        weighting: How the errors of different levels are weighed.
        motion: Weight of the motion-aware loss (Syncphony), ``mean of ((prediction - target) (z_t - z_(t-1)))^2``: what
            changes from frame to frame counts more; 0 leaves it out.
        zero_terminal_snr: Bend the schedule so that no signal is left at its end (Lin et al., 2024). It needs a target
            that tells the latents of pure noise, velocity or clean latents, and a weighting that lets the end count.
        first_frame: Let the clean first frame count too, with the target that latents without noise have.

    Raises:
        ConfigurationError: If settings contradict each other, or one has a value that cannot work.
    """

    def __init__(
        self,
        target: Target | None = None,
        steps: int = 1000,
        beta_start: float = 0.00085,
        beta_end: float = 0.012,
        beta_schedule: str = "scaled_linear",
        weighting: Weighting | None = None,
        motion: float = 0.0,
        zero_terminal_snr: bool = False,
        first_frame: bool = False,
    ) -> None:
        self.target = target or EpsilonTarget()
        self.steps = steps
        self.weighting = weighting or UniformWeighting()
        self.motion = motion
        self.first_frame = first_frame
        self.zero_terminal_snr = zero_terminal_snr
        _check_numbers(steps, motion, beta_start, beta_end)
        if zero_terminal_snr and (self.target.straight or isinstance(self.target, EpsilonTarget)):
            kind = type(self.target).__name__
            raise ConfigurationError(
                f"zero_terminal_snr does not go with {kind}: "
                + ("its path ends in pure noise anyway." if self.target.straight else "noise alone says nothing of z.")
                + " Use VelocityTarget or CleanTarget, or leave zero_terminal_snr out."
            )
        self.schedule_config: dict[str, Any] = {"num_train_timesteps": steps}
        if not self.target.straight:
            self.schedule_config |= {
                "beta_start": beta_start,
                "beta_end": beta_end,
                "beta_schedule": beta_schedule,
                "prediction_type": self.target.prediction_type,
            }
            if zero_terminal_snr:
                self.schedule_config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        self._shares = self._signal_shares()
        if zero_terminal_snr:
            self._check_end()

    def add_noise(self, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Noise all frames but the first.

        Args:
            latents: Clean latents ``(b, c, f, h, w)``.
            noise: As large.
            timestep: Level of each clip, ``(b,)`` integers below ``steps``.
        """
        signal, sigma = self._mixture(latents, timestep)
        noisy = signal * latents[:, :, 1:] + sigma * noise[:, :, 1:]
        return torch.cat([latents[:, :, :1], noisy], dim=2)

    def network_timestep(self, timestep: Tensor) -> Tensor:
        """How the network is told a level: as schedulers of diffusers do, whose straight paths count from 1."""
        return timestep + 1 if self.target.straight else timestep

    def loss(self, prediction: Tensor, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """The loss of each clip, ``(b,)``."""
        share = self._shares.to(latents.device)[timestep]
        target = self.target(share[:, None, None, None, None], latents, noise)
        begin = 0 if self.first_frame else 1
        if self.first_frame:
            target = torch.cat([self.target.of_clean(latents[:, :, :1]), target[:, :, 1:]], dim=2)
        error = prediction[:, :, begin:].float() - target[:, :, begin:].float()
        loss = error.square().mean(dim=(1, 2, 3, 4))
        if self.motion:
            change = latents[:, :, 1:].float() - latents[:, :, :-1].float()
            loss = loss + self.motion * (error[:, :, 1 - begin :] * change).square().mean(dim=(1, 2, 3, 4))
        return loss * self._weights(share).to(loss.dtype)

    def _weights(self, share: Tensor) -> Tensor:
        return self.weighting(share / (1 - share).clamp(min=1e-12), self.target)

    def _mixture(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """How much of signal and of noise is in a clip, ``(b, 1, 1, 1, 1)`` each."""
        share = self._shares.to(latents.device, latents.dtype)[timestep][:, None, None, None, None]
        if self.target.straight:
            sigma = (timestep.to(latents.dtype) + 1)[:, None, None, None, None] / self.steps
            return 1 - sigma, sigma
        return share.sqrt(), (1 - share).sqrt()

    def _signal_shares(self) -> Tensor:
        """``a_t`` of every level, ``SNR / (SNR + 1)``, ``(steps,)``."""
        if self.target.straight:
            sigma = torch.arange(1, self.steps + 1) / self.steps
            return (1 - sigma) ** 2 / ((1 - sigma) ** 2 + sigma**2)
        try:
            schedule: Any = DDPMScheduler(**self.schedule_config)
        except (NotImplementedError, ValueError) as error:
            raise ConfigurationError(
                f"diffusers makes no noise schedule of beta_schedule {self.schedule_config['beta_schedule']!r} "
                f"({error}). Set model.init_args.objective.init_args.beta_schedule to scaled_linear, the method's, or "
                "to linear, squaredcos_cap_v2 or sigmoid."
            ) from error
        shares: Tensor = schedule.alphas_cumprod
        if not shares.isfinite().all():  # a single level cannot both keep signal and lose it
            raise ConfigurationError(
                f"zero_terminal_snr does not go with steps: {self.steps}. Give Objective more steps, or leave "
                "zero_terminal_snr out."
            )
        return shares

    def _check_end(self) -> None:
        """Sampling begins at the last level of a bent schedule, so it must be trained."""
        weights = self._weights(self._shares)
        if weights[-1] <= 1e-6 * weights.max():
            kind = type(self.weighting).__name__
            raise ConfigurationError(
                f"zero_terminal_snr does not go with {kind}: it weighs the last level, where no signal is left and "
                f"sampling begins, with {float(weights[-1]):.0e}, so that nothing is learnt there. Use "
                "UniformWeighting, or leave zero_terminal_snr out."
            )


def _check_numbers(steps: int, motion: float, beta_start: float, beta_end: float) -> None:
    if steps < 1:
        raise ConfigurationError(f"Objective needs steps >= 1, not {steps}.")
    if not (motion >= 0 and math.isfinite(motion)):  # the first is false for NaN, too
        raise ConfigurationError(f"Objective needs a finite motion >= 0, not {motion}.")
    for name, beta in (("beta_start", beta_start), ("beta_end", beta_end)):
        if not 0 < beta < 1:
            raise ConfigurationError(f"Objective needs {name} between 0 and 1, not {beta}.")
