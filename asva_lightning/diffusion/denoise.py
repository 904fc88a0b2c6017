"""denoise(): the walk from noise to latents, with the first frame held at the image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from asva_lightning.denoiser import AVSyncUNet, PreparedConditions
from asva_lightning.diffusion.guidance import Guidance, Pass, combine, conditions_of
from asva_lightning.diffusion.scheduler_steps import SchedulerSteps
from asva_lightning.encoders.conditions import Conditions

OnStep = Callable[[int, Tensor, Tensor], Tensor | None]
"""Called after a step with its number, its noise level and the latents of the frames after the first; may return others
in their place."""

Watch = Callable[[Mapping[Pass, Tensor]], None]
"""Called in every step with the predictions ``(b, c, f, h, w)`` of all passes."""


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
    *,
    known: Tensor | None = None,
    generator: torch.Generator | list[torch.Generator] | None = None,
    one_by_one: bool = False,
    on_step: OnStep | None = None,
    watch: Watch | None = None,
    watched: Sequence[Pass] = (),
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
        known: Latents ``(b, c, k, h, w)`` that the ``k`` frames after the first shall have: at every step these frames
            are what the noise makes of them (Lugmayr et al., RePaint, 2022).
        generator: For schedulers that draw noise at their steps; one, or one a clip.
        one_by_one: Evaluate the passes of guidance one after the other instead of as one batch, to save memory.
        on_step: See :data:`OnStep`.
        watch: See :data:`Watch`.
        watched: Passes to evaluate for the watcher also where guidance needs them not.

    Returns:
        Latents ``(b, c, f, h, w)``.
    """
    hears = conditions.audio is not None and unet.anatomy.audio
    weights = guidance.weights(with_audio=hears, with_text=unet.anatomy.text)
    passes = list(dict.fromkeys([*weights, *watched]))
    groups = _prepare(unet, conditions, null_conditions, passes, noise.shape[2] + 1, one_by_one)
    walk = SchedulerSteps(scheduler, steps, noise.device, generator)
    first, rest = image_latents[:, :, None], walk.begin(noise)
    for number, timestep in enumerate(walk.timesteps):
        if known is not None:
            rest = _with_start(rest, walk.add_noise(known, noise[:, :, : known.shape[2]], timestep))
        sample = torch.cat([first, walk.scale(rest, timestep)], dim=2)
        predictions = _predict(unet, groups, sample, timestep, rest.dtype)
        if watch:
            watch(predictions)
        rest = walk.step(combine(predictions, weights)[:, :, 1:], timestep, rest)
        if on_step:
            changed = on_step(number, timestep, rest)
            rest = rest if changed is None else changed
    return torch.cat([first, rest if known is None else _with_start(rest, known)], dim=2)


Group = tuple[list[Pass], PreparedConditions]
"""Passes that share one batch, and what they are told."""


def _prepare(
    unet: AVSyncUNet, conditions: Conditions, null: Conditions, passes: list[Pass], frames: int, one_by_one: bool
) -> list[Group]:
    """All passes, with keys and values made once for the whole walk.

    Passes that skip the audio layers run apart from those that do not.
    """
    if one_by_one:
        groups = [[evaluation] for evaluation in passes]
    else:
        groups = [[evaluation for evaluation in passes if evaluation.skip_audio is skip] for skip in (False, True)]
    return [
        (group, unet.prepare(Conditions.stack([conditions_of(one, conditions, null) for one in group]), frames))
        for group in groups
        if group
    ]


def _predict(
    unet: AVSyncUNet, groups: list[Group], sample: Tensor, timestep: Tensor, dtype: torch.dtype
) -> dict[Pass, Tensor]:
    """The prediction ``(b, c, f, h, w)`` of every pass, in the type of the walk."""
    predictions: dict[Pass, Tensor] = {}
    for passes, prepared in groups:
        stacked = unet(sample.repeat(len(passes), 1, 1, 1, 1).to(unet.dtype), timestep[None], prepared)
        predictions |= dict(zip(passes, stacked.to(dtype).chunk(len(passes))))
    return predictions


def _with_start(clips: Tensor, start: Tensor) -> Tensor:
    """Clips ``(b, c, f, h, w)`` whose first frames are those of ``start``."""
    return torch.cat([start, clips[:, :, start.shape[2] :]], dim=2)
