"""A frog that hops to another leaf each time it croaks."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import DARK, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import smooth, states_at
from asva_lightning.data.synthsync.shapes import Array, Capsule, Ellipse
from asva_lightning.data.synthsync.tones import clock, place
from asva_lightning.data.synthsync.track import EventTrack, irregular_onsets, strengths

# Where the leaves lie: left, back, right.
LEAVES_X = np.array([-0.6, 0.0, 0.6], dtype=np.float32)
LEAVES_Y = np.array([0.7, 0.0, 0.7], dtype=np.float32)
HALF_HOP = 0.06


class Frog(Kind):
    """The pitch of the croak tells the leaf: low for the left one, high for the right one."""

    name = "frog"
    text = "a frog croaking and hopping between leaves"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the croaks and the leaves they lead to."""
        onsets, start = irregular_onsets(rng, seconds), int(rng.integers(3))
        steps = rng.integers(1, 3, len(onsets))
        states = tuple(((start + np.cumsum(steps)) % 3).tolist())
        return EventTrack(onsets, strengths(rng, len(onsets)), states, start)

    def rest(self, rng: np.random.Generator) -> EventTrack:
        """On one of the leaves."""
        return EventTrack(start=int(rng.integers(3)))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the leaves, and the frog, which is in the middle of its hop when it croaks."""
        for leaf_x, leaf_y in zip(LEAVES_X.tolist(), LEAVES_Y.tolist()):
            canvas.paint(Ellipse(leaf_x, leaf_y + 0.1, 0.38, 0.16), palette.second)
        x, y = frog_place(track, canvas.times)
        canvas.paint(Ellipse(x, y - 0.18, 0.33, 0.26), palette.main)
        for side in (-0.17, 0.17):
            canvas.paint(Ellipse(x + side, y - 0.42, 0.14), palette.main)
            canvas.paint(Ellipse(x + side, y - 0.43, 0.1), LIGHT)
            canvas.paint(Ellipse(x + side, y - 0.43, 0.05), DARK)
        canvas.paint(Capsule(x - 0.15, y - 0.13, x + 0.15, y - 0.13, 0.03), DARK)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A row of short pulses: the rattle of a croak."""
        pitch, rattle, decay = rng.uniform(420, 560), rng.uniform(38, 55), rng.uniform(0.07, 0.1)
        time = clock(0.25)
        pulses = (0.5 + 0.5 * np.exp(-8 * np.mod(time * rattle, 1))) * np.exp(-time / decay)
        notes = []
        for leaf in track.states:
            phase = 2 * np.pi * pitch * 1.5**leaf * time
            notes.append(pulses * (np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)))
        return place(notes, track, seconds)


def frog_place(track: EventTrack, times: Array) -> tuple[Array, Array]:
    """Where the frog sits or flies at each time, ``(f,)`` each for x and y; one value if it never hops."""
    if not track.onsets:
        return LEAVES_X[[track.start]], LEAVES_Y[[track.start]]
    now, before = (states.astype(int) for states in states_at(track, times, early=HALF_HOP))
    hops = np.array((-np.inf, *track.blows)) - HALF_HOP
    since = times - hops[np.searchsorted(hops, times, side="right") - 1]
    share = smooth(since / (2 * HALF_HOP))
    lift = 0.3 * np.sin(np.pi * share)
    x = LEAVES_X[before] + (LEAVES_X[now] - LEAVES_X[before]) * share
    y = LEAVES_Y[before] + (LEAVES_Y[now] - LEAVES_Y[before]) * share - lift
    return x.astype(np.float32), y.astype(np.float32)
