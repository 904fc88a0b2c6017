"""Videos of any length: windows that overlap in time, each begun with the last frames of the one before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from asva_lightning.data.randomness import Purpose, torch_generator
from asva_lightning.diffusion.explain import AudioEffect
from asva_lightning.diffusion.finite import not_finite
from asva_lightning.diffusion.generate import decode_checked
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.pipeline import AnimationPipeline
from asva_lightning.errors import ConfigurationError

OVERLAP = 1
"""Frames that a window shares with the one before: its last frame is the next window's first.

Holding more of them should tell the network how things were moving, but what it makes of the frames after them fits
less well (benchmarks/results/long_videos.md).
"""

SoundAt = Callable[[float], Tensor]
"""The sound ``(samples,)`` of one clip's length that begins at so many seconds."""


@dataclass(frozen=True)
class Stretch:
    """The frames that one window adds to a video.

    Args:
        first: Number of the first of them in the video.
        pixels: ``(3, f, h, w)``, uint8.
        effect: Where the sound acts in each of them, ``(f, h, w)`` at the latents' size; ``None`` if not asked for.
    """

    first: int
    pixels: Tensor
    effect: Tensor | None = field(default=None)


def animate_long(
    pipeline: AnimationPipeline,
    picture: Tensor,
    sound_at: SoundAt,
    frames: int,
    text: str = "",
    *,
    seed: int = 0,
    number: int = 0,
    overlap: int = OVERLAP,
    guidance: Guidance | None = None,
    steps: int | None = None,
    explain: bool = False,
) -> Iterator[Stretch]:
    """Animate one picture with a sound of any length, holding one window at a time.

    Args:
        pipeline: What animates.
        picture: First frame ``(3, h, w)``, uint8.
        sound_at: Gives the sound of a window.
        frames: Length of the video in frames.
        text: Class text; empty for none.
        seed: Seed of the noise.
        number: Picks the noise, together with the seed; the first window is what :func:`generate` makes of it.
        overlap: Frames that a window shares with the one before, at least one.
        guidance: How strongly to follow text and sound; the pipeline's if not given.
        steps: Number of steps; the pipeline's if not given.
        explain: Whether to tell where the sound acts.

    Yields:
        Stretches that follow one another without a gap, ``frames`` frames in all.

    Raises:
        ConfigurationError: If the overlap does not leave new frames in a window.
        WeightsError: If the network gives NaN or infinity.
    """
    length, rate = pipeline.format.frames, pipeline.format.fps
    if not 1 <= overlap < length:
        raise ConfigurationError(f"Windows of {length} frames can share 1 to {length - 1} frames, not {overlap}.")
    begin, device = pipeline.encode(picture[None]), pipeline._execution_device
    for window, (first, new) in enumerate(_windows(frames, length, overlap)):
        effect = AudioEffect() if explain else None
        latents = pipeline.sample(
            begin,
            sound_at(first / rate)[None],
            [text],
            [torch_generator(seed, Purpose.SAMPLING, number, device, part=window)],
            guidance=guidance,
            steps=steps,
            watch=effect,
            watched=AudioEffect.passes if explain else (),
        )
        pixels, finite = decode_checked(pipeline, latents)
        if not all(finite):
            raise not_finite(f"At {first / rate:.2f} s")
        heat = None if effect is None else effect.heat()[0, new].cpu()
        yield Stretch(first + new.start, pixels[0, :, new].cpu(), heat)
        begin = pipeline.conditioner.codec.begin_at(latents, length - overlap)


def _windows(frames: int, length: int, overlap: int) -> Iterator[tuple[int, slice]]:
    """Where in the video each window begins, and which of its frames the one before does not have."""
    first = done = 0
    while done < frames:
        new = slice(done - first, min(length, frames - first))
        yield first, new
        first, done = first + length - overlap, first + new.stop
