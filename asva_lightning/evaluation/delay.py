"""The delay test: when the sound comes later by d, does the motion come later by d?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.follow_clips import SoundingClip
from asva_lightning.evaluation.generators import Animate, Request, check_videos
from asva_lightning.evaluation.lag import check_longest_lag, longest_lag, motion_lags, slope
from asva_lightning.evaluation.results import Results, Score
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.motion import motion_curve

DELAYS = (-1 / 3, -1 / 6, 1 / 6, 1 / 3)
"""Seconds: whole frames at 6, 12, 24 and 30 frames a second, and less than the usual time between two events."""


def check_delays(delays: Sequence[float], format: ClipFormat | None = None) -> None:
    """Check delays before anything costs time.

    Args:
        delays: Delays in seconds.
        format: What a clip is, where that is known.

    Raises:
        ConfigurationError: If there are none, one is 0 or no finite number, two are the same to the millisecond, or
            they are too long for clips of the format.
    """
    finite = all(math.isfinite(delay) for delay in delays)
    rounded = [round(1000 * delay) for delay in delays] if finite else []
    if not rounded or 0 in rounded or len(set(rounded)) < len(rounded):
        raise ConfigurationError(
            f"The delay test needs different delays in seconds other than 0, not {list(delays)}. Take, for instance, "
            "[-0.33, -0.17, 0.17, 0.33]."
        )
    if format is not None:
        check_longest_lag(longest_lag(delays, format.fps), format.frames - 1)


def delay_requests(clip: SoundingClip, delays: Sequence[float], format: ClipFormat, seed: int = 0) -> list[Request]:
    """A clip's picture with its sound on time, and then with each delay; one noise for all.

    Raises:
        ConfigurationError: If the source's sound does not reach that far.
    """
    return [
        Request(f"{clip.name}--{_in_words(delay)}", clip.picture, clip.heard(format, delay), clip.text, seed)
        for delay in (0.0, *delays)
    ]


@dataclass(frozen=True)
class DelayJudgement:
    """What was found for one clip.

    Args:
        clip: The clip.
        lags: Lag of the motion at each delay, in seconds; nan where nothing moved.
        correlations: How alike the two motions are at that lag.
    """

    clip: SoundingClip
    lags: Sequence[float]
    correlations: Sequence[float]


def judge_delays(
    clip: SoundingClip, videos: Sequence[Tensor], delays: Sequence[float], format: ClipFormat
) -> DelayJudgement:
    """Find the lags of a clip's videos.

    Args:
        clip: The clip.
        videos: Videos ``(3, f, h, w)`` uint8 in the order of :func:`delay_requests`.
        delays: The delays in seconds.
        format: What a clip is.

    Returns:
        What was found.

    Raises:
        ConfigurationError: If the videos do not fit the requests, or the delays the clip.
    """
    check_videos(videos, delay_requests(clip, delays, format), format)
    curves = motion_curve(torch.stack(list(videos)).cpu())
    lags, correlations = motion_lags(curves[0], curves[1:], delays, format.fps)
    return DelayJudgement(clip, lags.tolist(), correlations.tolist())


def delay_results(
    judgements: Sequence[DelayJudgement], delays: Sequence[float], facts: Mapping[str, str | float] | None = None
) -> Results:
    """The numbers of all clips: ``slope`` of lag over delay, and ``correlation``, the mean of those at the lags found.

    Clips in which something did not move at all have nan: they are left out of the means and counted.

    Args:
        judgements: What was found.
        delays: The delays in seconds.
        facts: What else the numbers depend on.

    Returns:
        The results.
    """
    values = {
        "slope": {found.clip.name: slope(delays, found.lags) for found in judgements},
        "correlation": {found.clip.name: sum(found.correlations) / len(delays) for found in judgements},
    }
    texts = {found.clip.name: found.clip.text for found in judgements}
    in_words = ", ".join(f"{delay:.3g}" for delay in delays)
    return Results(values, texts, {**(facts or {}), "delays in s": in_words})


def lag_scores(judgements: Sequence[DelayJudgement], delays: Sequence[float]) -> list[Score]:
    """Mean lag at each delay, with its interval over clips."""
    return [Score.of([found.lags[place] for found in judgements]) for place in range(len(delays))]


def delay_test(clips: Sequence[SoundingClip], animate: Animate, format: ClipFormat, delays: Sequence[float]) -> Results:
    """The whole test in memory, for any system.

    Args:
        clips: The clips, with enough sound around them.
        animate: The system; :func:`~asva_lightning.evaluation.generators.one_by_one` makes one of a function.
        format: What a clip is.
        delays: The delays in seconds.

    Returns:
        See :func:`delay_results`.

    Raises:
        ConfigurationError: If the delays cannot be used.
    """
    check_delays(delays, format)
    judged = [
        judge_delays(clip, animate(delay_requests(clip, delays, format, number)), delays, format)
        for number, clip in enumerate(clips)
    ]
    return delay_results(judged, delays)


def _in_words(delay: float) -> str:
    """A delay as a part of a file name."""
    milliseconds = round(1000 * delay)
    return f"{'late' if milliseconds > 0 else 'early'}-{abs(milliseconds)}ms" if milliseconds else "on-time"
