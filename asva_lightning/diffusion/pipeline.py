"""AnimationPipeline: pictures and sounds in, videos out."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion.denoise import denoise
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.objective import Objective
from asva_lightning.encoders import Conditioner, to_floats, to_pixels
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat

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

    def make_scheduler(self, objective: Objective) -> Any:
        """The scheduler that belongs to an objective.

        Raises:
            ConfigurationError: If diffusers has no such scheduler, or the scheduler has no such setting.
        """
        import diffusers

        kind = getattr(diffusers, self.scheduler, None)
        if kind is None or not self.scheduler.endswith("Scheduler"):
            raise ConfigurationError(
                f"diffusers has no scheduler {self.scheduler!r}. Use one of its names, such as PNDMScheduler, "
                "DDIMScheduler or DPMSolverMultistepScheduler."
            )
        known = inspect.signature(kind).parameters
        options = self.options
        if options is None:
            options = {name: value for name, value in METHOD_OPTIONS.items() if name in known}
        settings = {**objective.schedule_config, **options}
        for name in settings:
            if name not in known:
                raise ConfigurationError(f"{self.scheduler} has no setting {name!r}. It has: {', '.join(known)}.")
        return kind(**settings)


@dataclass(frozen=True)
class AnimationPipeline:
    """Everything that turns one picture and one sound into a video.

    Args:
        denoiser: The network.
        conditioner: Media to numbers.
        objective: What the network was trained to predict.
        sampling: How samples are drawn.
        format: What a clip is.
    """

    denoiser: AVSyncUNet
    conditioner: Conditioner
    objective: Objective
    sampling: Sampling
    format: ClipFormat

    @torch.no_grad()
    def __call__(
        self, pictures: Tensor, waveforms: Tensor, texts: Sequence[str], generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Animate ``b`` pictures.

        Args:
            pictures: First frames ``(b, 3, h, w)``, uint8.
            waveforms: Sounds of the clip's length, ``(b, samples)``.
            texts: Class texts; empty for none.
            generators: One a clip, on the device of the pictures: the same generator, the same video.

        Returns:
            Videos ``(b, 3, f, h, w)``, uint8; frame 0 is the picture as the codec gives it back.
        """
        frames = self.format.frames
        conditions = self.conditioner.conditions(waveforms, texts, frames)
        null = self.conditioner.null(waveforms.shape[-1], frames)
        image = self.conditioner.codec.encode(to_floats(pictures[:, :, None]))[:, :, 0]
        shape = (image.shape[1], frames - 1, *image.shape[2:])
        noise = torch.stack([torch.randn(shape, generator=generator, device=image.device) for generator in generators])
        scheduler = self.sampling.make_scheduler(self.objective)
        latents = denoise(
            self.denoiser, image, noise, conditions, null, scheduler, self.sampling.steps, self.sampling.guidance
        )
        return to_pixels(self.conditioner.codec.decode(latents))
