"""A bow on a cello: the faster the stroke, the louder the tone."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import DARK, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.shapes import Array, Capsule, Ellipse, Slab
from asva_lightning.data.synthsync.tones import along, clock, hiss, voice
from asva_lightning.data.synthsync.track import EventTrack

TRAVEL = 0.6
FASTEST = 0.4
SLOWEST = 0.9


class Bow(Kind):
    """Every stroke uses the whole bow, so a short stroke is a fast and loud one.

    The control curve is the loudness and the speed. It falls to zero at each turn, and between turns rises and
    falls once as the square of a sine.
    """

    name = "bow"
    text = "a bow stroking a cello"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the lengths of the strokes, each clearly other than the one before."""
        times = np.arange(frames) * seconds / frames
        turns, length = [-rng.uniform(0, FASTEST)], 0.0
        while turns[-1] < seconds:
            before = length
            while abs(length - before) < 0.08:
                length = rng.uniform(FASTEST, SLOWEST)
            turns.append(turns[-1] + length)
        edges = np.array(turns)
        after = np.searchsorted(edges, times, side="right")
        lengths = edges[after] - edges[after - 1]
        loudness = FASTEST / lengths * np.sin(np.pi * (times - edges[after - 1]) / lengths) ** 2
        return EventTrack(control=tuple(loudness.tolist()))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the cello, and the bow with the hand that leads it."""
        place = bow_places(track.control, canvas.times)
        canvas.paint(Slab(-0.15, -0.7, 0.08, 0.3), DARK)
        canvas.paint(Ellipse(-0.15, 0.5, 0.55, 0.45), palette.second)
        canvas.paint(Ellipse(-0.15, -0.1, 0.43, 0.36), palette.second)
        canvas.paint(Slab(-0.15, 0.0, 0.1, 0.62), DARK)
        canvas.paint(Slab(-0.15, -0.1, 0.02, 0.8, 0.02), LIGHT)
        canvas.paint(Capsule(place - 0.6, 0.22, place + 0.5, 0.22, 0.1), DARK)
        canvas.paint(Capsule(place - 0.6, 0.22, place + 0.5, 0.22, 0.06), LIGHT)
        canvas.paint(Slab(place - 0.56, 0.22, 0.1, 0.16), palette.main)
        canvas.paint(Slab(place + 0.42, 0.22, 0.22, 0.26, 0.16), palette.main)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A steady, rich tone with a little of the hair's noise."""
        pitch, shake = rng.uniform(110, 220), rng.uniform(4.5, 6)
        loudness = along(track, seconds)
        vibrato = 1 + 0.005 * np.sin(2 * np.pi * shake * clock(seconds))
        tone = voice(pitch * vibrato, [1 / harmonic for harmonic in range(1, 13)])
        return loudness * (tone + 0.04 * hiss(rng, seconds, decay=np.inf))


def bow_places(loudness: tuple[float, ...], times: Array) -> Array:
    """Add up the speed, with the direction changed at each least loudness.

    Args:
        loudness: The control curve, one value for each frame; none for a bow at rest.
        times: When each frame is shown, in seconds, ``(f,)``.

    Returns:
        Place of the bow at each frame, ``(f,)``, around 0; one value for a bow at rest.
    """
    if not loudness:
        return np.zeros(1, dtype=np.float32)
    speed = np.array(loudness)
    change = np.sign(np.diff(speed))
    least = 1 + np.flatnonzero((change[:-1] < 0) & (change[1:] >= 0))
    direction = np.where(np.searchsorted(least, np.arange(len(speed)), side="right") % 2 == 0, 1, -1)
    # A stroke of length T has the mean speed FASTEST / T / 2.
    moved = np.cumsum(direction * speed) * (times[1] - times[0]) * TRAVEL * 2 / FASTEST
    return (moved - (moved.max() + moved.min()) / 2).astype(np.float32)
