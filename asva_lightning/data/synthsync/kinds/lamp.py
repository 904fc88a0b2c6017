"""A lamp that is switched on and off with a click."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import DARK, FLAME, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import states_at
from asva_lightning.data.synthsync.shapes import Array, Capsule, Ellipse, Rays, Slab
from asva_lightning.data.synthsync.tones import hiss, place, ring
from asva_lightning.data.synthsync.track import EventTrack, irregular_onsets, strengths


class Lamp(Kind):
    """Every click changes the light; the click that switches it on is higher than the other."""

    name = "lamp"
    text = "a lamp being switched on and off"
    night = True

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the clicks; 0 is off, 1 is on."""
        onsets, start = irregular_onsets(rng, seconds), int(rng.integers(2))
        states = tuple((start + 1 + event) % 2 for event in range(len(onsets)))
        return EventTrack(onsets, strengths(rng, len(onsets)), states, start)

    def rest(self, rng: np.random.Generator) -> EventTrack:
        """On or off."""
        return EventTrack(start=int(rng.integers(2)))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint a bulb on a wire, and its light."""
        lit = states_at(track, canvas.times)[0] if track.onsets else float(track.start)
        canvas.paint(Capsule(0.0, -1.0, 0.0, -0.6, 0.05), palette.main)
        canvas.paint(Ellipse(0.0, 0.15, 0.42), palette.second, opacity=0.45)
        canvas.paint(Ellipse(0.0, 0.15, 0.62), FLAME, opacity=0.35 * lit, softness=0.6)
        canvas.paint(Rays(0.0, 0.15, 0.62, 0.78, count=10, radius=0.05), FLAME, opacity=lit)
        canvas.paint(Ellipse(0.0, 0.15, 0.42), FLAME, opacity=lit)
        canvas.paint(Ellipse(0.0, 0.15, 0.2), LIGHT, opacity=lit, softness=0.2)
        canvas.paint(Slab(0.0, -0.42, 0.2, 0.2, 0.06), palette.main)
        canvas.paint(Slab(0.0, -0.38, 0.2, 0.03, 0.02), DARK)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A very short, bright click."""
        pitch = rng.uniform(1700, 2300)
        notes = [
            ring(0.1, np.array([1, 2.3]) * pitch * (1 + 0.5 * on), (1, 0.5), (0.008, 0.004))
            + 0.5 * hiss(rng, 0.1, 0.002)
            for on in track.states
        ]
        return place(notes, track, seconds)
