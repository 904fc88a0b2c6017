"""How samples are drawn: scheduler, number of steps, guidance."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch

from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.objective import Objective
from asva_lightning.errors import ConfigurationError

METHOD_OPTIONS = {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False}
"""The settings of Stable Diffusion 1.5's schedulers; each scheduler has some of them."""


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn; the defaults are the method's.

    Args:
        scheduler: A scheduler class of diffusers; it gets the noise schedule of the objective.
        steps: Number of steps.
        guidance: How strongly to follow text and sound.
        options: Further settings of the scheduler; those of Stable Diffusion that it has, if not given.
    """

    scheduler: str = "PNDMScheduler"
    steps: int = 50
    guidance: Guidance = field(default_factory=Guidance)
    options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigurationError(f"sampling.steps must be at least 1, not {self.steps}.")

    def make_scheduler(self, objective: Objective) -> Any:
        """The scheduler that belongs to an objective.

        Raises:
            ConfigurationError: If diffusers has no such scheduler, the scheduler has no such setting, or it cannot
                sample what the objective predicts in so many steps.
        """
        kind, target = scheduler_class(self.scheduler), type(objective.target).__name__
        self._check_path(objective, target)
        known = inspect.signature(kind).parameters
        options = self.options
        if options is None and objective.target.straight:
            options = {}
        if options is None:
            options = {name: value for name, value in METHOD_OPTIONS.items() if name in known}
        for name in options:
            if name not in known:
                raise ConfigurationError(f"{self.scheduler} has no setting {name!r}. It has: {', '.join(known)}.")
        if objective.zero_terminal_snr and "rescale_betas_zero_snr" not in known:
            raise ConfigurationError(
                f"zero_terminal_snr needs a scheduler that can, which {self.scheduler} cannot: set "
                "model.init_args.sampling.scheduler to one such as DDIMScheduler."
            )
        for name in objective.schedule_config:
            if name not in known:
                raise ConfigurationError(
                    f"{self.scheduler} does not take the noise schedule that {target} is trained on: it has no {name}. "
                    "Set model.init_args.sampling.scheduler to another one, such as DDIMScheduler."
                )
        settings = {**objective.schedule_config, **options}
        try:
            self._try_out(kind(**settings))
        except (ValueError, NotImplementedError) as error:
            raise ConfigurationError(
                f"{self.scheduler} cannot sample {target} in {self.steps} steps: {error}. "
                "Change model.init_args.sampling or objective; DDIMScheduler samples epsilon, v and clean latents."
            ) from error
        return kind(**settings)

    def _check_path(self, objective: Objective, target: str) -> None:
        """Schedulers of straight paths sample these alone, and no other does."""
        straight = self.scheduler.startswith("FlowMatch")
        if objective.target.straight and not straight:
            raise ConfigurationError(
                f"{self.scheduler} cannot follow {target}, whose path is straight. Set "
                "model.init_args.sampling.scheduler to FlowMatchEulerDiscreteScheduler."
            )
        if straight and not objective.target.straight:
            raise ConfigurationError(
                f"{self.scheduler} samples straight paths only; the target is {target}. Set "
                "model.init_args.sampling.scheduler to another one, such as DDIMScheduler, or train FlowTarget."
            )

    def _try_out(self, scheduler: Any) -> None:
        """Step once: schedulers find out then what they cannot do."""
        latents = torch.zeros(1, 1, 1, 1, 1)
        with torch.random.fork_rng(devices=[]):  # some draw noise, and it is not theirs
            scheduler.set_timesteps(self.steps)
            first = scheduler.timesteps[0]
            scale = getattr(scheduler, "scale_model_input", lambda sample, timestep: sample)
            scheduler.step(scale(latents, first), first, latents)


def scheduler_class(name: str) -> Any:
    """A scheduler class of diffusers.

    Raises:
        ConfigurationError: If there is none of that name.
    """
    import diffusers

    kind = getattr(diffusers, name, None)
    if kind is None or not name.endswith("Scheduler"):
        raise ConfigurationError(
            f"diffusers has no scheduler {name!r}. Use one of its names, such as PNDMScheduler, DDIMScheduler or "
            "DPMSolverMultistepScheduler."
        )
    return kind
