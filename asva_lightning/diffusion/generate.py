"""generate(): animate a list of pictures with sounds and write the videos."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asva_lightning.data.randomness import Purpose, torch_generator
from asva_lightning.diffusion.finite import ADVICE, NOT_FINITE, finite_clips, not_finite
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.pipeline import AnimationPipeline
from asva_lightning.encoders import to_pixels
from asva_lightning.files import write_text
from asva_lightning.media import write_clip

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """One picture and one sound to be animated.

    Args:
        key: Name of the result, without a suffix.
        picture: First frame, ``(3, h, w)`` uint8.
        waveform: Sound of the clip's length, ``(samples,)``.
        text: Class text; empty for none.
        number: Picks the noise, together with the seed.
    """

    key: str
    picture: Tensor
    waveform: Tensor
    text: str = ""
    number: int = 0


@dataclass(frozen=True)
class Animation:
    """A pair and the video that was made of it.

    Args:
        pair: What was animated.
        pixels: The video, ``(3, f, h, w)`` uint8.
        finite: False where the network gave NaN or infinity; the pixels are then no video.
    """

    pair: Pair
    pixels: Tensor
    finite: bool = True

    def require_finite(self) -> None:
        """Refuse to go on with pixels that are no video.

        Raises:
            WeightsError: If the network gave NaN or infinity.
        """
        if not self.finite:
            raise not_finite(f"{self.pair.key}:")


def clip_name(key: str, start: float) -> str:
    """A file name for the clip that starts so many seconds into a sample."""
    return f"{key.replace('/', '-')}-{start:.2f}".replace(".", "_")


def share(count: int, rank: int, world_size: int) -> list[int]:
    """The part of ``count`` items that a rank works on.

    Every rank gets equally many, since under sharding all must make the same forward passes; short ranks repeat items.
    """
    return [(rank + world_size * turn) % count for turn in range(-(-count // world_size))] if count else []


def generate(
    pipeline: AnimationPipeline,
    pairs: Sequence[Pair],
    folder: Path | None = None,
    *,
    seed: int = 0,
    batch_size: int = 8,
    guidance: Guidance | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[Animation]:
    """Animate pairs; the same seed and numbers give the same videos whatever the batch size.

    Args:
        pipeline: What animates.
        pairs: What to animate.
        folder: Where to write ``<key>.mp4`` with its sound and ``<key>.json``; nothing is written without it.
        seed: Seed of the noise.
        batch_size: Pairs that are animated together.
        guidance: How strongly to follow text and sound; the pipeline's if not given.
        about: Further facts for the JSON files, such as the training step.

    Returns:
        The animations, in the order of the pairs, on the CPU. One whose values are no finite numbers says so.
    """
    animations, device = [], pipeline._execution_device
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        latents = pipeline.sample(
            pipeline.encode(torch.stack([pair.picture for pair in batch])),
            torch.stack([pair.waveform for pair in batch]),
            [pair.text for pair in batch],
            [torch_generator(seed, Purpose.SAMPLING, pair.number, device) for pair in batch],
            guidance=guidance,
        )
        videos, finite = decode_checked(pipeline, latents)
        animations += [Animation(*made) for made in zip(batch, videos.cpu(), finite)]
    if folder is not None:
        facts = {"seed": seed, "guidance": asdict(guidance or pipeline.guidance), **(about or {})}
        for animation in animations:
            write_animation(pipeline, animation, folder, facts)
    return animations


@torch.no_grad()
def decode_checked(pipeline: AnimationPipeline, latents: Tensor) -> tuple[Tensor, list[bool]]:
    """Videos of latents, and which of them are videos: the cast to whole numbers hides NaN.

    Args:
        pipeline: What decodes.
        latents: ``(b, c, f, h, w)``.

    Returns:
        Pixels ``(b, 3, f, h, w)`` uint8, and of each clip whether latents and frames are finite.
    """
    floats = pipeline.conditioner.codec.decode(latents)
    return to_pixels(floats), finite_clips(latents, floats)


def write_animation(pipeline: AnimationPipeline, animation: Animation, folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``<key>.mp4`` and ``<key>.json``.

    Where the sample is not finite there is a warning, and the JSON file has ``"finite": false``, by which evaluation
    excludes it.
    """
    clip = pipeline.format
    path = folder / f"{animation.pair.key}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = animation.pair.waveform.cpu()
    write_clip(
        path, animation.pixels, clip.fps, waveform, clip.sample_rate, enlarge=enlargement(clip.height, clip.width)
    )
    facts = {
        "key": animation.pair.key,
        "text": animation.pair.text,
        "number": animation.pair.number,
        "guidance": asdict(pipeline.guidance),
        "steps": pipeline.steps,
        "format": asdict(clip),
        "video": path.name,
        **about,
    }
    if not animation.finite:
        logger.warning("%s: %s, so it shows nothing. %s", path, NOT_FINITE, ADVICE)
        facts["finite"] = False
    write_text(path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def enlargement(height: int, width: int, smallest: int = 128) -> int:
    """By which whole number to enlarge small pictures, which some hardware decoders refuse."""
    return max(1, -(-smallest // min(height, width)))
