"""score(): one way from clips to numbers, for samples of a training run, for other systems' files, for true clips."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.results import Results, finite_or_nan
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip


class Measure(Protocol):
    """Anything that judges one clip: every metric of this package that gives a value per clip, and the user's own."""

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is better; None where neither is."""

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip.

        Args:
            clip: The clip.
            format: Its frame rate, size and sample rate.

        Returns:
            Its value; nan where the measure does not apply to this clip.
        """


def score(
    clips: Iterable[EvaluatedClip],
    measures: Mapping[str, Measure],
    format: ClipFormat,
    facts: Mapping[str, str | float] | None = None,
) -> Results:
    """Judge clips by measures.

    The clips are taken one at a time and not kept, so that a generator can read or sample them on the way.

    Args:
        clips: What is judged.
        measures: Name to measure; the names head the table.
        format: Format of all the clips.
        facts: What else the numbers depend on, such as the guidance scale or the hash of judging weights.

    Returns:
        One value per clip and measure; nan for one that is infinite.

    Raises:
        ConfigurationError: If two clips have the same key, a clip's frames or sound do not fit the format, its frames
            are not uint8, or its sound holds values that are no finite numbers.
    """
    values: dict[str, dict[str, float]] = {name: {} for name in measures}
    texts: dict[str, str] = {}
    for clip in clips:
        _check(clip, format)
        if clip.key in texts:
            raise ConfigurationError(f"Two clips are called {clip.key!r}. Give every clip a key of its own.")
        texts[clip.key] = clip.text
        for name, measure in measures.items():
            values[name][clip.key] = finite_or_nan(measure.measure(clip, format))
    size = f"{format.height}x{format.width}"
    return Results(values, texts, {"frames": format.frames, "fps": format.fps, "size": size, **(facts or {})})


def _check(clip: EvaluatedClip, format: ClipFormat) -> None:
    met = tuple(clip.pixels.shape), tuple(clip.waveform.shape)
    asked = (3, format.frames, format.height, format.width), (format.samples,)
    if met != asked:
        raise ConfigurationError(
            f"Clip {clip.key!r} has frames {met[0]} and sound {met[1]}, but the format asks for {asked[0]} and "
            f"{asked[1]}. Read it with that format, or set --data.format to what the clips are."
        )
    if clip.pixels.dtype != torch.uint8:
        raise ConfigurationError(
            f"Clip {clip.key!r} has pixels of {clip.pixels.dtype}, not torch.uint8. Turn floats in [-1, 1] into pixels "
            "with asva_lightning.encoders.to_pixels, once they are known to be finite."
        )
    if not clip.waveform.isfinite().all():
        raise ConfigurationError(
            f"The sound of clip {clip.key!r} holds values that are no finite numbers. Leave the clip out."
        )
