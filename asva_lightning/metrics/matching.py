"""Matching the events of two lists of times one to one."""

from torch import Tensor

ROUNDING = 1e-6
"""Seconds by which a window is wider than asked, so that an event on its edge is inside whatever the rounding."""


def count_matches(sound: Tensor, motion: Tensor, tolerance: float, lead: float | None = None) -> int:
    """Largest number of pairs of a sound and a motion in which each event is used at most once.

    A pair is allowed when ``-lead <= motion - sound <= tolerance``. All windows have the same width, so that giving
    each sound, in order of time, the earliest free motion in its window makes the most pairs.

    Args:
        sound: Sorted times in seconds, ``(n,)``.
        motion: Sorted times in seconds, ``(m,)``.
        tolerance: How far motion may come after its sound, in seconds.
        lead: How far motion may come before its sound, in seconds; as ``tolerance`` where None. (A hammer moves
            before it rings.)

    Returns:
        The number of pairs.
    """
    before = (tolerance if lead is None else lead) + ROUNDING
    after = tolerance + ROUNDING
    sounds, motions = sound.tolist(), motion.tolist()
    matched, first_free = 0, 0
    for time in sounds:
        while first_free < len(motions) and motions[first_free] < time - before:
            first_free += 1
        if first_free < len(motions) and motions[first_free] <= time + after:
            matched += 1
            first_free += 1
    return matched
