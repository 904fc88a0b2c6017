"""How a pose follows the events of a track, frame by frame."""

import numpy as np
from numpy.typing import ArrayLike

from asva_lightning.data.synthsync.shapes import Array
from asva_lightning.data.synthsync.track import EventTrack

# Six frames a second are 0.167 s apart: a pose held about as long shows in one of them, and little in two.
HOLD = 0.15


def pulse(track: EventTrack, times: Array, hold: float = HOLD, fall: float = 0.09) -> Array:
    """Go from 0 to 1 at each blow, hold, and come back.

    The way up takes no time. So all of it is in the one step between frames that has the blow in it, at any frame
    rate, and outweighs the way back.

    Args:
        track: Its blows are followed.
        times: When each frame is shown, in seconds, ``(f,)``.
        hold: How long after the blow the way back begins, in seconds.
        fall: How long the way back takes, in seconds.

    Returns:
        One value in [0, 1] for each frame.
    """
    value = np.zeros(len(times), dtype=np.float32)
    for blow in track.blows:
        since = times - blow
        value = np.maximum(value, (since >= 0) * (1 - smooth((since - hold) / fall)))
    return value


def flash(track: EventTrack, times: Array) -> Array:
    """Go from 0 to 1 at each blow and fade.

    The light fades before a pose comes back: both together would be more motion than the blow itself.
    """
    return pulse(track, times, hold=0.08, fall=0.16)


def since_blow(track: EventTrack, times: Array) -> tuple[Array, Array]:
    """Find the last blow at or before each frame.

    Returns:
        Seconds since that blow, ``(f,)``, infinite before the first; and its strength, ``(f,)``, there 0.
    """
    last = np.searchsorted(np.array(track.blows), times, side="right")
    blows = np.array((-np.inf, *track.blows))
    return (times - blows[last]).astype(np.float32), np.array((0.0, *track.strengths), dtype=np.float32)[last]


def states_at(track: EventTrack, times: Array, early: float = 0.0) -> tuple[Array, Array]:
    """Say in which state each frame is, and in which it was before that.

    Args:
        track: Its blows change the state.
        times: When each frame is shown, in seconds, ``(f,)``.
        early: How long before the blow the new state begins, in seconds.

    Returns:
        The state and the one before it, ``(f,)`` each.
    """
    now = np.searchsorted(np.array(track.blows) - early, times, side="right")
    states = np.array((track.start, *track.states), dtype=np.float32)
    return states[now], states[np.maximum(now - 1, 0)]


def smooth(share: ArrayLike) -> Array:
    """Ease from 0 to 1 with no jump in speed at either end."""
    inside = np.clip(np.asarray(share, dtype=np.float32), 0, 1)
    return np.asarray(inside * inside * (3 - 2 * inside))
