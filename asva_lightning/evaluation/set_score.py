"""A distance between sets of clips, with an interval from draws of videos."""

import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.bootstrap import Score
from asva_lightning.metrics.set_measure import SetMeasure, require_clips_of_both

logger = logging.getLogger(__name__)


def set_score(
    name: str,
    measure: SetMeasure,
    sets: Mapping[str, tuple[Tensor, Tensor]],
    videos: Mapping[str, str],
    resamples: int = 20,
    seed: int = 0,
) -> tuple[Score, list[float]]:
    """Distance between generated and true clips, with an interval.

    A distance of resampled clips is larger than that of the clips themselves, as they repeat. So the interval is not
    that of the percentiles: it is the distance, less and more 1.96 standard deviations of the distances of some draws
    of videos, each with all its clips, generated and true. Which videos are drawn depends on their names and the seed
    alone, so that the draws of two systems are paired.

    Args:
        name: What it is called, for messages.
        measure: The measure.
        sets: Clip to features of the generated and of the true one, each ``(n, d)``.
        videos: Clip to the video that it is cut from.
        resamples: Draws; below 2 there is no interval.
        seed: Seed of the draws.

    Returns:
        The distance as ``mean``; nan, with a warning, where it is no finite number or there are too few clips for
        one. The distances of the draws; none where there is no interval.
    """
    by_video: dict[str, list[str]] = {}
    for key in sets:
        by_video.setdefault(videos.get(key, key), []).append(key)
    try:
        require_clips_of_both(len(sets), len(sets), name)
        distance = _distance(measure, [sets[key] for key in sets])
    except ConfigurationError as error:
        logger.warning("%s of %d clips: %s", name, len(sets), error)
        return Score(math.nan, math.nan, math.nan, 0, len(sets)), []
    if resamples < 2 or len(by_video) < 2:
        return Score(distance, math.nan, math.nan, len(sets)), []
    names, random = sorted(by_video), np.random.default_rng(seed)
    drawn = [[names[place] for place in random.integers(len(names), size=len(names))] for _ in range(resamples)]
    try:
        distances = [_distance(measure, [sets[key] for video in draw for key in by_video[video]]) for draw in drawn]
    except ConfigurationError as error:
        logger.warning("%s has no interval, as it cannot judge every draw of %d videos: %s", name, len(names), error)
        return Score(distance, math.nan, math.nan, len(sets)), []
    reach = 1.96 * float(np.std(distances, ddof=1))
    return Score(distance, distance - reach, distance + reach, len(sets)), distances


def _distance(measure: SetMeasure, sets: Sequence[tuple[Tensor, Tensor]]) -> float:
    """A distance.

    Raises:
        ConfigurationError: If it is no finite number, or the measure cannot take so many.
    """
    generated, reference = zip(*sets)
    distance = measure.distance(torch.cat(generated), torch.cat(reference))
    if not math.isfinite(distance):
        raise ConfigurationError(f"The distance is {distance}, no finite number.")
    return distance
