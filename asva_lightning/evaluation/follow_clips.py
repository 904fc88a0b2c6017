"""The clips that tests of following need: true frames, a class, and the sound around them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from asva_lightning.data.clips import open_member
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.diffusion.generate import clip_name
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.shift import shifted_window
from asva_lightning.media import ClipFormat, is_silent, read_clip, read_sound

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SoundingClip:
    """A window of a source, with the source's own sound for some time before and after it.

    Args:
        name: Name of the clip, fit for a file name.
        text: Class text.
        category: Class name.
        pixels: True frames of the window, ``(3, f, h, w)`` uint8.
        sound: The source's sound from ``before`` seconds before the window on, ``(samples,)``.
        before: Seconds of it that lie before the window.
    """

    name: str
    text: str
    category: str
    pixels: Tensor
    sound: Tensor
    before: float = 0.0

    @property
    def picture(self) -> Tensor:
        """First frame of the window, ``(3, h, w)`` uint8."""
        return self.pixels[:, 0]

    def heard(self, format: ClipFormat, delay: float = 0.0) -> Tensor:
        """The window's sound, ``delay`` seconds late (early where negative), as its source goes on: ``(samples,)``.

        Raises:
            ConfigurationError: If the source's sound does not reach that far.
        """
        window = shifted_window(self.sound, format.sample_rate, self.before, format.seconds, delay)
        if window is None:
            raise ConfigurationError(
                f"The sound around {self.name} lasts {len(self.sound) / format.sample_rate:.2f} s and cannot be "
                f"delayed by {delay:g} s. Take shorter delays, or longer sources."
            )
        return window


def choose_clips(
    samples: Sequence[SampleRecord], format: ClipFormat, per_class: int, margin: float = 0.0
) -> dict[str, list[SoundingClip]]:
    """Read the middle of some samples of each class, spread evenly over the class.

    Samples that are too short, silent in the middle or unreadable are passed over, with a warning.

    Args:
        samples: The samples of a split.
        format: What a clip is.
        per_class: How many clips of each class at most.
        margin: Seconds of sound that must lie on either side of the window.

    Returns:
        Class name to clips, in the order of the samples' first appearance.

    Raises:
        ConfigurationError: If every sample is too short or too slow, or two clips have the same name.
    """
    fitting = [sample for sample in samples if sample.seconds >= format.seconds + 2 * margin - 1e-6]
    _check_samples(samples, fitting, format, margin)
    by_class: dict[str, list[SampleRecord]] = {sample.category: [] for sample in fitting}
    for sample in fitting:
        by_class[sample.category].append(sample)
    chosen = {category: list(_first_usable(of, format, per_class, margin)) for category, of in by_class.items()}
    names = [clip.name for clips in chosen.values() for clip in clips]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"Two clips are called {twice[0]!r} once they name files. Rename one of the sources.")
    return chosen


def read_sounding_clip(sample: SampleRecord, format: ClipFormat, margin: float = 0.0) -> SoundingClip:
    """Read the middle of a sample.

    Args:
        sample: The sample.
        format: What a clip is.
        margin: Seconds of sound to keep on either side of the window.

    Raises:
        MediaError: If it cannot be read.
    """
    start = max(0.0, (sample.seconds - format.seconds) / 2)
    member = open_member(sample)
    clip = read_clip(member, format, start)
    # Without a margin the two sounds are the same; a second reading costs little beside the frames.
    sound = read_sound(member, format.sample_rate, start - margin, format.seconds + 2 * margin)
    return SoundingClip(clip_name(sample.key, start), sample.text, sample.category, clip.pixels, sound, margin)


def _check_samples(
    samples: Sequence[SampleRecord], fitting: Sequence[SampleRecord], format: ClipFormat, margin: float
) -> None:
    needed = f"{format.seconds + 2 * margin:.2f} s ({format.seconds:.2f} s of clip, {margin:g} s before and after)"
    if not fitting:
        longest = max((sample.seconds for sample in samples), default=0.0)
        raise ConfigurationError(
            f"The test needs sources of {needed}, but the longest has {longest:.2f} s. Take shorter --delays, a "
            "shorter clip format, or other shards."
        )
    if len(fitting) < len(samples):
        logger.warning("%d of %d clips are shorter than %s and left out.", len(samples) - len(fitting), len(samples),
                       needed)  # fmt: skip
    fastest = max(sample.fps for sample in fitting)
    if format.fps > fastest + 1:
        raise ConfigurationError(
            f"The clip format asks for {format.fps:g} frames a second, but the clips have at most {fastest:.3g}, so "
            "their true motion is not known. Take shards of faster clips."
        )


def _first_usable(
    samples: Sequence[SampleRecord], format: ClipFormat, count: int, margin: float
) -> Iterator[SoundingClip]:
    """So many clips, spread evenly; where one cannot be used, the next of those that were not meant."""
    meant = [place * len(samples) // count for place in range(min(count, len(samples)))] if count < len(samples) else []
    others = [place for place in range(len(samples)) if place not in meant]
    found = 0
    for sample in (samples[place] for place in [*meant, *others]):
        if found == count:
            return
        try:
            clip = read_sounding_clip(sample, format, margin)
        except MediaError as error:
            logger.warning("%s is passed over: %s", sample.key, error)
            continue
        if is_silent(clip.heard(format)):
            logger.warning("%s is passed over: it is silent in the middle, so there is nothing to follow.", sample.key)
            continue
        found += 1
        yield clip
