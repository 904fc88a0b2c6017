"""A first judgement of nothing: what a measure cannot do with a clip format is told before anything costs time."""

from collections.abc import Mapping

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.score import Measure
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.set_measure import SetMeasure


def check_measures(
    of_clips: Mapping[str, Measure],
    format: ClipFormat,
    of_sets: Mapping[str, SetMeasure] | None = None,
    text: str = "",
) -> None:
    """Let every measure judge one black, silent clip. Whatever it gives is right; nan, too.

    The random state is left as it was, whatever the measures draw.

    Args:
        of_clips: Name to measure of clips.
        format: What the clips will be.
        of_sets: Name to measure of sets.
        text: A class text of the clips.

    Raises:
        ConfigurationError: If a measure cannot judge clips of this format; it is named.
    """
    pixels = torch.zeros(3, format.frames, format.height, format.width, dtype=torch.uint8)
    clip = EvaluatedClip("a blank clip", pixels, torch.zeros(format.samples), text, pixels)
    with isolate_rng():
        for name, measure in of_clips.items():
            try:
                measure.measure(clip, format)
            except ConfigurationError as error:
                raise ConfigurationError(f"{name} cannot judge clips of this format: {error}") from error
            except MediaError:
                continue  # this very clip is not to its liking
        for name, of_set in (of_sets or {}).items():
            try:
                of_set.features(pixels, format)
            except ConfigurationError as error:
                raise ConfigurationError(f"{name} cannot judge clips of this format: {error}") from error
            except MediaError:
                continue
