"""A digest of a pipeline: two that have the same one make the same videos of the same inputs."""

import hashlib
import json

from torch import Tensor, nn

from asva_lightning.diffusion import AnimationPipeline
from asva_lightning.training.frozen_weights import digest_of_tensors


def pipeline_digest(pipeline: AnimationPipeline) -> str:
    """A hash of the weights of all networks, the scheduler and the clip format, wherever they were read.

    A run that was trained on has another one under its old name. What the denoiser does not look at is left out: it
    may have random weights. It reads every weight once, about a second for each GB.

    Args:
        pipeline: The pipeline.

    Returns:
        Sixteen hexadecimal digits.
    """
    scheduler = {"class": type(pipeline.scheduler).__name__, **pipeline.scheduler.config}
    settings = {"scheduler": scheduler, **{name: pipeline.config[name] for name in ("clip", "windows")}}
    hasher = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=8)
    for name, weights in sorted(_looked_at(pipeline).items()):
        hasher.update(f"{name} {digest_of_tensors(weights.items())}".encode())
    return hasher.hexdigest()


def _looked_at(pipeline: AnimationPipeline) -> dict[str, dict[str, Tensor]]:
    """The weights on which a video depends, by component."""
    clip, anatomy = pipeline.format, pipeline.unet.anatomy
    hears = anatomy.audio and pipeline.conditioner.mask(clip.frames, clip.samples) is not None
    asked = {"audio_encoder": hears, "text_encoder": anatomy.text}
    networks = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    weights = {name: dict(part.state_dict()) for name, part in networks.items() if asked.get(name, True)}
    if not hears:
        weights["unet"] = {name: value for name, value in weights["unet"].items() if "_audio" not in name}
    return weights
