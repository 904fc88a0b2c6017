"""How much later one motion comes than another: pure functions of the delay test."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.motion import FLOOR
from asva_lightning.metrics.onset_motion_correlation import smooth

REACH = 1.25
"""Lags are looked for up to this multiple of each delay; farther ones are those of other events."""
SMOOTHING = 0.08
"""Standard deviation in seconds of the Gaussian that is laid over motion curves."""
BRANCHES = 101
"""Slopes that are tried from ``-REACH`` to ``REACH``; an odd number, so that 0 is one of them."""


def motion_lags(
    on_time: Tensor, delayed: Tensor, delays: Sequence[float], fps: float, floor: float = FLOOR
) -> tuple[Tensor, Tensor]:
    """How much later the motion of each delayed video comes than that of the video whose sound is on time.

    Two motions of two or three events may fit each other at several lags. So the branch is chosen for all delays
    together: the slope ``a`` is taken at which the mean over delays ``d`` of the correlation at the lag ``a d`` is
    highest. Within one frame of ``a d`` the highest correlation is each delay's lag, and a parabola through it and its
    neighbours gives the place between frames.

    Args:
        on_time: Motion curve ``(n,)``.
        delayed: Motion curves ``(d, n)``.
        delays: Delays of the sound in seconds, ``d`` of them.
        fps: Frames a second.
        floor: A curve that varies less than this does not move, and has no lag.

    Returns:
        Lags in seconds ``(d,)``, positive where the motion comes later, and the correlations there ``(d,)``; both are
        nan where either curve does not move.

    Raises:
        ConfigurationError: If the curves differ in length, or the longest lag leaves less than half of a curve.
    """
    steps, most = delayed.shape[1], longest_lag(delays, fps)
    if on_time.shape != (steps,) or len(delayed) != len(delays):
        raise ConfigurationError(
            f"Lags need curves (n,) and (d, n) for {len(delays)} delays, not {tuple(on_time.shape)} and "
            f"{tuple(delayed.shape)}."
        )
    check_longest_lag(most, steps)
    curves = smooth(torch.cat([on_time[None], delayed]).float(), SMOOTHING * fps).double()
    correlations = cross_correlation(curves[:1], curves[1:], most)
    expected = torch.tensor(delays, dtype=torch.float64) * fps
    place = _nearby_maximum(correlations, most + (_branch(correlations, expected) * expected).round().long())
    lags = (place - most + _vertex(correlations, place)) / fps
    still = (_range(on_time[None]) < floor) | (_range(delayed) < floor)
    highest = correlations.gather(1, place[:, None])[:, 0]
    return lags.masked_fill(still, torch.nan), highest.masked_fill(still, torch.nan)


def cross_correlation(first: Tensor, second: Tensor, most: int) -> Tensor:
    """Normalised cross-correlation at every lag up to ``most`` steps.

    ``r[l] = sum over n of x[n] y[n + l] / sqrt(sum x^2 sum y^2)``, with the means of ``x`` and ``y`` taken off first,
    and the sums in the root over the whole curves: a lag at which few steps overlap cannot win by these few alone.

    Args:
        first: Curves ``(1 or b, n)``.
        second: Curves ``(b, n)``.
        most: Largest lag in steps.

    Returns:
        ``(b, 2 most + 1)`` in -1..1, from lag ``-most`` (the second is earlier) to ``most``; 0 where a curve is
        constant.
    """
    steps = second.shape[1]
    x, y = first - first.mean(dim=1, keepdim=True), second - second.mean(dim=1, keepdim=True)
    norm = (x.norm(dim=1) * y.norm(dim=1)).clamp_min(1e-12)
    sums = [
        (x[:, max(0, -lag) : steps - max(0, lag)] * y[:, max(0, lag) : steps - max(0, -lag)]).sum(dim=1)
        for lag in range(-most, most + 1)
    ]
    return torch.stack(sums, dim=1) / norm[:, None]


def slope(delays: Sequence[float], lags: Sequence[float]) -> float:
    """Slope of the line through the origin that fits the lags best: ``sum(d * lag) / sum(d * d)``.

    The line goes through the origin because at no delay the two videos are one. 1 is a motion that moves with its
    sound, 0 one that does not care.

    Args:
        delays: Delays in seconds, not all 0.
        lags: Lags in seconds, one a delay.

    Returns:
        The slope; nan if a lag is nan.
    """
    return sum(delay * lag for delay, lag in zip(delays, lags)) / sum(delay * delay for delay in delays)


def longest_lag(delays: Sequence[float], fps: float) -> int:
    """Frames up to which lags are looked for."""
    return math.ceil(REACH * max(abs(delay) for delay in delays) * fps - 1e-6)


def check_longest_lag(most: int, steps: int) -> None:
    """Check that enough is left to be compared.

    Args:
        most: Longest lag in steps.
        steps: Steps of a motion curve.

    Raises:
        ConfigurationError: If less than half of a curve is.
    """
    if steps - most < max(3, steps / 2):
        raise ConfigurationError(
            f"A lag of {most} frames leaves {steps - most} of {steps} steps of motion to compare, less than half. Take "
            "shorter delays, or longer clips."
        )


def _branch(correlations: Tensor, expected: Tensor) -> float:
    """The slope at which the correlations of all delays are highest together; between frames they are interpolated.

    Args:
        correlations: ``(d, 2 most + 1)``.
        expected: Lags in frames at a slope of 1, ``(d,)``.
    """
    most = correlations.shape[1] // 2
    slopes = torch.linspace(-REACH, REACH, BRANCHES, dtype=torch.float64)
    places = expected[:, None] * slopes + most
    before = places.floor().clamp(0, 2 * most - 1)
    share, index = places - before, before.long()
    between = correlations.gather(1, index) * (1 - share) + correlations.gather(1, index + 1) * share
    return float(slopes[between.mean(dim=0).argmax()])


def _nearby_maximum(correlations: Tensor, centre: Tensor) -> Tensor:
    """Place ``(d,)`` of the highest correlation at most one frame from the centre ``(d,)``."""
    places = (centre[:, None] + torch.tensor([-1, 0, 1])).clamp(0, correlations.shape[1] - 1)
    return places.gather(1, correlations.gather(1, places).argmax(dim=1, keepdim=True))[:, 0]


def _vertex(correlations: Tensor, place: Tensor) -> Tensor:
    """How far beside a value the vertex of the parabola through it and its neighbours lies, at most half a step."""
    last = correlations.shape[1] - 1
    before, value, after = (correlations.gather(1, (place + step).clamp(0, last)[:, None])[:, 0] for step in (-1, 0, 1))
    bend = before - 2 * value + after
    inside = (place > 0) & (place < last) & (bend < 0)
    beside = 0.5 * (before - after) / bend.masked_fill(~inside, 1.0)
    return beside.masked_fill(~inside, 0.0).clamp(-0.5, 0.5)


def _range(curve: Tensor) -> Tensor:
    return curve.amax(dim=1) - curve.amin(dim=1)
