"""film(): one picture and one sound file in, an mp4 of the sound's length out, written as it is made."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from asva_lightning.diffusion.explain import show_heat
from asva_lightning.diffusion.generate import enlargement
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.long import OVERLAP, Stretch, animate_long
from asva_lightning.diffusion.pipeline import AnimationPipeline
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipWriter, PlacedPicture, read_sound, restore, sound_seconds

SOUND_RATE = 48_000
"""Samples a second of the sound that is written; the network hears its own rate."""


Watch = Callable[[Tensor, Tensor], None]
"""Gets every stretch of frames ``(3, f, h, w)``, at the model's size, and its sound ``(samples,)``."""


@dataclass(frozen=True)
class SoundFile:
    """A stretch of a file's sound.

    Args:
        path: The file.
        start: Where the stretch begins, in seconds.
        seconds: Its length; to the end of the sound if not given.

    Raises:
        MediaError: If the file has no sound, or none after ``start``.
        ConfigurationError: If the length is not positive, or the start negative.
    """

    path: str | Path
    start: float = 0.0
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < math.inf:
            raise ConfigurationError(f"--start must be 0 or more, not {self.start}.")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ConfigurationError(f"--seconds must be positive, not {self.seconds}.")

    @cached_property
    def length(self) -> float:
        """Seconds of sound that there are, at most as many as asked for."""
        end = sound_seconds(self.path)
        rest = end - self.start
        if rest <= 0:
            raise MediaError(self.path, f"its sound ends at {end:.2f} s, before --start {self.start:g}. Start earlier.")
        return rest if self.seconds is None else min(rest, self.seconds)

    def read(self, begin: float, seconds: float, sample_rate: int) -> Tensor:
        """A part of the stretch, followed by silence where it ends: ``(samples,)``."""
        wanted = round(seconds * sample_rate)
        heard = min(seconds, self.length - begin)
        if heard * sample_rate < 1:
            return torch.zeros(wanted)
        waveform = read_sound(self.path, sample_rate, self.start + begin, heard)
        return torch.nn.functional.pad(waveform[:wanted], (0, max(0, wanted - len(waveform))))


@dataclass(frozen=True)
class FilmOptions:
    """How films are made.

    Args:
        seed: Seed of the noise.
        overlap: Frames that a window shares with the one before.
        guidance: How strongly to follow text and sound; the pipeline's if not given.
        steps: Number of steps; the pipeline's if not given.
        explain: Whether to write ``<name>-explained.mp4`` too: the film beside a map of where the sound acts.
        source_size: Whether to scale the film back to the picture's own size.
    """

    seed: int = 0
    overlap: int = OVERLAP
    guidance: Guidance | None = None
    steps: int | None = None
    explain: bool = False
    source_size: bool = False


def film(
    pipeline: AnimationPipeline,
    placed: PlacedPicture,
    sound: SoundFile,
    output: Path,
    text: str = "",
    options: FilmOptions | None = None,
    watch: Watch | None = None,
) -> int:
    """Animate a picture with a file's sound. Memory does not grow with its length.

    Args:
        pipeline: What animates.
        placed: The first frame.
        sound: What is heard. A film is at least one clip long, with silence after a shorter sound.
        output: The mp4 to write.
        text: Class text; empty for none.
        options: How.
        watch: See :data:`Watch`; the sound has :data:`SOUND_RATE` samples a second.

    Returns:
        Number of frames.

    Raises:
        MediaError: If the sound cannot be read or the film not written.
        ConfigurationError: If the text is unknown to the pipeline, or a setting cannot work.
    """
    options = options or FilmOptions()
    clip = pipeline.format
    frames = max(clip.frames, math.ceil(sound.length * clip.fps - 1e-6))
    stretches = animate_long(
        pipeline,
        placed.pixels,
        lambda begin: sound.read(begin, clip.seconds, clip.sample_rate),
        frames,
        text,
        seed=options.seed,
        overlap=options.overlap,
        guidance=options.guidance,
        steps=options.steps,
        explain=options.explain,
    )
    with ExitStack() as open_files:
        shown = restore(placed.pixels[:, None], placed) if options.source_size else placed.pixels[:, None]
        main = open_files.enter_context(_writer(output, clip.fps, shown))
        if options.explain:
            beside = open_files.enter_context(
                _writer(explained_file(output), clip.fps, torch.cat([placed.pixels[:, None]] * 2, -1))
            )
        for stretch, full in _with_scale(stretches):
            waveform = sound.read(stretch.first / clip.fps, stretch.pixels.shape[1] / clip.fps, SOUND_RATE)
            main.write(restore(stretch.pixels, placed) if options.source_size else stretch.pixels, waveform)
            if stretch.effect is not None:
                heat = show_heat(stretch.pixels, stretch.effect, full)
                beside.write(torch.cat([stretch.pixels, heat], dim=-1), waveform)
            if watch:
                watch(stretch.pixels, waveform)
    return frames


def explained_file(film: Path) -> Path:
    """The film of where the sound acts, beside another one."""
    return film.with_name(f"{film.stem}-explained.mp4")


def _writer(path: Path, fps: float, pixels: Tensor) -> ClipWriter:
    height, width = pixels.shape[-2:]
    return ClipWriter(path, fps, height, width, SOUND_RATE, enlarge=enlargement(height, width))


def _with_scale(stretches: Iterator[Stretch]) -> Iterator[tuple[Stretch, float]]:
    """Each stretch with the effect to be shown white: nearly the strongest so far, since what follows is not known."""
    full = 0.0
    for stretch in stretches:
        if stretch.effect is not None:
            full = max(full, float(stretch.effect.flatten().quantile(0.999)))
        yield stretch, full
