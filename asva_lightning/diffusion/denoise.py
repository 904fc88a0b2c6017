"""denoise(): the walk from noise to latents, with the first frame held at the image."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from asva_lightning.denoiser import AVSyncUNet, PreparedConditions
from asva_lightning.diffusion.guidance import Guidance, Pass, combine, conditions_of
from asva_lightning.encoders.conditions import Conditions


@torch.no_grad()
def denoise(
    unet: AVSyncUNet,
    image_latents: Tensor,
    noise: Tensor,
    conditions: Conditions,
    null_conditions: Conditions,
    scheduler: Any,
    steps: int,
    guidance: Guidance,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Sample latents.

    Args:
        unet: The network; in whatever floating-point type it is, the walk itself keeps that of the noise.
        image_latents: The first frame, ``(b, c, h, w)``; it stays as it is.
        noise: Where the other frames start, ``(b, c, f - 1, h, w)``.
        conditions: Text and sound of the clips.
        null_conditions: Text and sound that say nothing, of one clip or of ``b``.
        scheduler: Any scheduler of diffusers; it steps the frames after the first.
        steps: Number of steps.
        guidance: How strongly to follow text and sound.
        on_step: Called after each step with its number and the latents of the frames after the first.

    Returns:
        Latents ``(b, c, f, h, w)``.
    """
    frames = noise.shape[2] + 1
    weights = guidance.weights(with_audio=conditions.audio is not None)
    groups = _prepare(unet, conditions, null_conditions, list(weights), frames)
    scheduler.set_timesteps(steps, device=noise.device)
    first, rest = image_latents[:, :, None], noise * scheduler.init_noise_sigma
    for number, timestep in enumerate(scheduler.timesteps):
        sample = torch.cat([first, scheduler.scale_model_input(rest, timestep)], dim=2)
        predictions: dict[Pass, Tensor] = {}
        for passes, prepared in groups:
            stacked = unet(sample.repeat(len(passes), 1, 1, 1, 1).to(unet.dtype), timestep[None], prepared)
            predictions |= dict(zip(passes, stacked.to(rest.dtype).chunk(len(passes))))
        rest = scheduler.step(combine(predictions, weights)[:, :, 1:], timestep, rest).prev_sample
        if on_step:
            on_step(number, rest)
    return torch.cat([first, rest], dim=2)


def _prepare(
    unet: AVSyncUNet, conditions: Conditions, null: Conditions, passes: list[Pass], frames: int
) -> list[tuple[list[Pass], PreparedConditions]]:
    """Passes that can share one batch, with keys and values made once for the whole walk.

    Passes that skip the audio layers run apart from those that do not.
    """
    groups = []
    for skip in (False, True):
        together = [evaluation for evaluation in passes if evaluation.skip_audio is skip]
        if together:
            stacked = Conditions.stack([conditions_of(evaluation, conditions, null) for evaluation in together])
            groups.append((together, unet.prepare(stacked, frames)))
    return groups
