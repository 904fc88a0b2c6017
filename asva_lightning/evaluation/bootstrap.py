"""What may be said of a mean over clips: bootstrap intervals over videos, and the chance of a difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from asva_lightning.errors import ConfigurationError

RESAMPLES = 2000
PARTS = 20
FLIPS = 10_000
EXACT = 13
"""Up to so many videos, all ways to flip their signs are tried."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Args:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """A mean over clips, with its uncertainty.

    Args:
        mean: Mean of the values that are not nan; nan where there are none.
        low: Lower end of the bootstrap interval.
        high: Upper end of the bootstrap interval.
        count: Number of clips in the mean.
        left_out: Number of clips whose value is nan.
    """

    mean: float
    low: float
    high: float
    count: int
    left_out: int = 0

    @classmethod
    def of(
        cls, values: Sequence[float], confidence: float = 0.95, seed: int = 0, videos: Sequence[str] | None = None
    ) -> "Score":
        """Summarise the values of some clips.

        Args:
            values: One value per clip; nan is left out and counted.
            confidence: Confidence of the interval.
            seed: Seed of the bootstrap.
            videos: The video of each clip, see :func:`bootstrap_interval`.

        Returns:
            The score.
        """
        usable = [place for place, value in enumerate(values) if not math.isnan(value)]
        numbers = [values[place] for place in usable]
        of_videos = None if videos is None else [videos[place] for place in usable]
        interval = bootstrap_interval(numbers, confidence, seed, of_videos)
        mean = float(np.mean(numbers)) if numbers else math.nan
        return cls(mean, interval.low, interval.high, len(numbers), len(values) - len(numbers))


def bootstrap_interval(
    values: Sequence[float], confidence: float = 0.95, seed: int = 0, videos: Sequence[str] | None = None
) -> Interval:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).

    The means of 2000 draws of as many videos, with replacement, each with all its clips; the interval holds the middle
    ``confidence`` of them. Clips of one video are alike, so drawing them one by one would make it too narrow. It speaks
    of the choice of videos only, not of the seed of training or sampling. Below about ten videos it is too narrow.

    Args:
        values: Values without nan; with none both ends are nan.
        confidence: Share of the means inside, between 0 and 1.
        seed: Seed of the draws.
        videos: The video of each value; every value is a video of its own if not given.

    Returns:
        The interval.

    Raises:
        ConfigurationError: If the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(f"A confidence lies between 0 and 1, not at {confidence}. Use 0.95 for 95 %.")
    if not values:
        return Interval(math.nan, math.nan)
    sums, counts = _by_video(values, videos)
    random = np.random.default_rng(seed)
    # In parts: all at once would need memory for 2000 times the number of videos.
    draws = (random.integers(len(sums), size=(RESAMPLES // PARTS, len(sums))) for _ in range(PARTS))
    means = np.concatenate([sums[draw].sum(axis=1) / counts[draw].sum(axis=1) for draw in draws])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def sign_flip_p(differences: Sequence[float], videos: Sequence[str] | None = None, seed: int = 0) -> float:
    """How often chance alone would make a mean difference as large as this (Fisher, "The Design of Experiments", 1935).

    If two systems were alike, the differences of a video could as well have the other sign. The share of random flips
    of sign, one for all clips of a video, whose mean is at least as far from 0; two-sided. With up to 13 videos all
    flips are tried, else 10000, of which the one that was met counts too.

    Args:
        differences: One per clip, without nan.
        videos: The video of each; every difference is a video of its own if not given.
        seed: Seed of the flips.

    Returns:
        The p-value in 0..1; nan without differences.
    """
    if not differences:
        return math.nan
    sums, _ = _by_video(differences, videos)
    met = abs(sums.sum()) * (1 - 1e-12)  # sums of the same numbers in another order are as large
    if len(sums) <= EXACT:
        signs = np.array(list(product((-1, 1), repeat=len(sums))))
        return float((np.abs(signs @ sums) >= met).mean())
    random = np.random.default_rng(seed)
    as_large = 1
    for _ in range(PARTS):  # in parts, for the sake of memory
        signs = random.integers(2, size=(FLIPS // PARTS, len(sums))) * 2 - 1
        as_large += int((np.abs(signs @ sums) >= met).sum())
    return as_large / (FLIPS + 1)


def of_paired_draws(difference: float, first: Sequence[float], second: Sequence[float]) -> tuple[Interval, float]:
    """Interval and p-value of a difference of which only draws are known, such as that of two distances between sets.

    The standard deviation is that of the differences of draws of the same videos. The interval is the difference less
    and more 1.96 of these; p is how often a normal value of that spread around 0 is as far from 0, two-sided. Both are
    approximations: 20 draws tell the standard deviation to about a sixth of itself.

    Args:
        difference: Second less first.
        first: What each draw gives of the first; where one has more draws than the other, the first ones count.
        second: What the same draws give of the second.

    Returns:
        The interval and the p-value in 0..1; nan where there are not two draws.
    """
    pairs = list(zip(first, second))
    if len(pairs) < 2:
        return Interval(math.nan, math.nan), math.nan
    deviation = float(np.std([after - before for before, after in pairs], ddof=1))
    reach = 1.96 * deviation
    if deviation == 0:
        return Interval(difference, difference), 1.0 if difference == 0 else 0.0
    p = math.erfc(abs(difference) / deviation / math.sqrt(2))
    return Interval(difference - reach, difference + reach), p


def _by_video(values: Sequence[float], videos: Sequence[str] | None) -> tuple[Numbers, Numbers]:
    """Sum of the values of each video, and how many they are."""
    if videos is None:
        return np.asarray(values, dtype=np.float64), np.ones(len(values))
    places = {video: place for place, video in enumerate(dict.fromkeys(videos))}
    of = [places[video] for video in videos]
    return np.bincount(of, weights=np.asarray(values)).astype(np.float64), np.bincount(of).astype(np.float64)
