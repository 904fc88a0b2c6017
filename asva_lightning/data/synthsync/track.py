"""The one account of what happens in a clip, from which both picture and sound are made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHORTEST_GAP = 0.62
LONGEST_GAP = 1.25


@dataclass(frozen=True)
class EventTrack:
    """What happens when; empty for an object at rest.

    Args:
        onsets: Times at which events are heard, in seconds, ascending. Empty for continuous kinds.
        strengths: Loudness of each event, 1 for the loudest possible.
        states: State after each event, for kinds that stay changed (lamp: off or on, frog: its place).
        start: State before the first event.
        control: Curve in [0, 1] that drives a continuous kind, one value for each frame. Empty for discrete kinds.
        lead: By how many seconds the motion of an event comes before its sound.
    """

    onsets: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    states: tuple[int, ...] = ()
    start: int = 0
    control: tuple[float, ...] = ()
    lead: float = 0.0

    @property
    def blows(self) -> tuple[float, ...]:
        """Times at which events are seen, in seconds."""
        return tuple(onset - self.lead for onset in self.onsets)


def irregular_onsets(
    rng: np.random.Generator, seconds: float, low: float = 0.6, high: float = 1.4
) -> tuple[float, ...]:
    """Draw times of events without a beat; the mean gap, the tempo, is drawn too.

    A regular beat fits its picture at many shifts. So each gap also differs clearly from the one before.

    Args:
        rng: Source of chance.
        seconds: Length of the clip.
        low: Shortest gap as a share of the mean gap.
        high: Longest gap as a share of the mean gap.

    Returns:
        Times in seconds, from ``SHORTEST_GAP`` to ``LONGEST_GAP`` apart.
    """
    mean = rng.uniform(0.8, 1.0)
    shortest, longest = max(SHORTEST_GAP, mean * low), min(LONGEST_GAP, mean * high)
    times, gap = [rng.uniform(0.3, 0.9)], 0.0
    while True:
        before = gap
        while abs(gap - before) < 0.1:
            gap = rng.uniform(shortest, longest)
        if times[-1] + gap > seconds - 0.15:
            return tuple(times)
        times.append(times[-1] + gap)


def strengths(rng: np.random.Generator, count: int) -> tuple[float, ...]:
    """Draw the loudness of each event, in [0.6, 1]."""
    return tuple(rng.uniform(0.6, 1.0, count).tolist())


def wandering(rng: np.random.Generator, seconds: float, frames: int) -> tuple[float, ...]:
    """Draw a smooth curve that goes up and down between low and high values in irregular steps.

    Returns:
        ``frames`` values in [0, 1], evenly spaced over ``seconds``.
    """
    knots = np.cumsum(rng.uniform(0.22, 0.55, int(seconds / 0.22) + 3)) - 0.4
    low, high = rng.uniform(0, 0.3, len(knots)), rng.uniform(0.65, 1, len(knots))
    values = np.where((np.arange(len(knots)) + rng.integers(2)) % 2 == 0, low, high)
    return tuple(_eased(np.arange(frames) * seconds / frames, knots, values).tolist())


def _eased(times: NDArray[np.float64], knots: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate by half cosines: smooth, and never beyond the values."""
    after = np.clip(np.searchsorted(knots, times), 1, len(knots) - 1)
    place = np.clip((times - knots[after - 1]) / (knots[after] - knots[after - 1]), 0, 1)
    ease = (1 - np.cos(np.pi * place)) / 2
    return np.asarray(values[after - 1] + (values[after] - values[after - 1]) * ease)
