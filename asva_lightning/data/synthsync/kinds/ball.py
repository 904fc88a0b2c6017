"""A ball that is thrown back by a pad each time it falls on it."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import FLAME, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import flash, pulse
from asva_lightning.data.synthsync.shapes import Array, Capsule, Ellipse
from asva_lightning.data.synthsync.tones import hiss, place, ring
from asva_lightning.data.synthsync.track import LONGEST_GAP, EventTrack, irregular_onsets

# In units of the square a second squared: an arc from bounce to bounce is GRAVITY / 8 * interval ** 2 high. So the
# longest arc just stays inside the square.
GRAVITY = 5.1
LONGEST_ARC = LONGEST_GAP
RADIUS = 0.3
PAD = 0.7


class Ball(Kind):
    """The time to the next bounce gives the height of the arc, so the sound predicts all of the motion."""

    name = "ball"
    text = "a ball bouncing on a pad"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the bounces; each is as loud as the throw that follows it is fast."""
        later = np.array(irregular_onsets(rng, seconds + 1.5, high=1.3))
        inside = later < seconds - 0.05
        # The last ball is in the air when the clip ends: no bounce is seen that is not heard.
        landings = np.maximum(later[1:], np.where(inside[1:], 0, seconds))
        arcs = landings - later[:-1]
        return EventTrack(tuple(later[inside].tolist()), tuple((arcs[inside[:-1]] / LONGEST_ARC).tolist()))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the pad, which lights up, and the ball, which is flattened for a moment."""
        height = heights(track, canvas.times)
        hit = flash(track, canvas.times)
        flat = 1 - np.float32(0.3) * pulse(track, canvas.times, hold=0.0, fall=0.12)
        y = np.asarray(PAD - 0.1 - height - RADIUS * flat, dtype=np.float32)
        canvas.paint(Capsule(-0.7, PAD, 0.7, PAD, 0.15), palette.second)
        canvas.paint(Capsule(-0.7, PAD, 0.7, PAD, 0.12), FLAME, opacity=hit)
        canvas.paint(Ellipse(0.0, y, RADIUS / flat, RADIUS * flat), palette.main)
        canvas.paint(Ellipse(-0.09, y - 0.09, 0.09), LIGHT, opacity=0.8)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A dull, low thud with a short slap."""
        pitch, decay = rng.uniform(170, 260), rng.uniform(0.05, 0.09)
        notes = [
            ring(0.35, np.array([1, 2.02]) * pitch * rng.uniform(0.97, 1.03), (1, 0.4), (decay, decay / 2))
            + 0.3 * hiss(rng, 0.35, 0.006)
            for _ in track.onsets
        ]
        return place(notes, track, seconds)


def heights(track: EventTrack, times: Array) -> Array:
    """How high the ball is above the pad.

    Between bounces at ``a`` and ``b`` it flies freely: ``GRAVITY / 2 * (t - a) * (b - t)``.

    Args:
        track: Times of the bounces, and their strengths, which tell how long the ball then flies; a ball without
            any lies on the pad.
        times: When each frame is shown, in seconds, ``(f,)``.

    Returns:
        Height at each time, ``(f,)``, in units of the square.
    """
    onsets = track.onsets
    if not onsets:
        return np.zeros_like(times)
    before = onsets[0] - max(onsets[1] - onsets[0], onsets[0] + 0.1)
    edges = np.array((before, *onsets, onsets[-1] + track.strengths[-1] * LONGEST_ARC))
    after = np.clip(np.searchsorted(edges, times, side="right"), 1, len(edges) - 1)
    return (GRAVITY / 2 * (times - edges[after - 1]) * (edges[after] - times)).astype(np.float32)
