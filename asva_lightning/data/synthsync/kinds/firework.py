"""A firework that bursts above its tube."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import FLAME, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import pulse, since_blow
from asva_lightning.data.synthsync.shapes import Array, Ellipse, Rays, Slab
from asva_lightning.data.synthsync.tones import RATE, hiss, place, ring
from asva_lightning.data.synthsync.track import EventTrack, irregular_onsets, strengths


class Firework(Kind):
    """Each burst is as wide as it is loud, and gone after a quarter of a second."""

    name = "firework"
    text = "a firework bursting in the night"
    night = True

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the bursts."""
        onsets = irregular_onsets(rng, seconds)
        return EventTrack(onsets, strengths(rng, len(onsets)))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the tube and the bursts."""
        since, strength = since_blow(track, canvas.times)
        seen = pulse(track, canvas.times)
        spread = strength * (0.6 + 0.4 * np.clip(since / 0.08, 0, 1))
        canvas.paint(Slab(0.0, 0.78, 0.3, 0.2), palette.second)
        canvas.paint(Slab(0.0, 0.6, 0.38, 0.09), palette.main)
        if not track.onsets:
            return
        canvas.paint(Ellipse(0.0, -0.2, 0.6 * spread + 0.01), palette.second, opacity=0.4 * seen, softness=0.3)
        canvas.paint(Rays(0.0, -0.2, 0.3 * spread, 0.75 * spread, count=12, radius=0.055), palette.main, opacity=seen)
        canvas.paint(Rays(0.0, -0.2, 0.7 * spread, 0.75 * spread, count=12, radius=0.075), FLAME, opacity=seen)
        canvas.paint(Ellipse(0.0, -0.2, 0.2), LIGHT, opacity=seen, softness=0.15)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A bang of noise over a low boom, with crackle behind it."""
        pitch, decay = rng.uniform(50, 75), rng.uniform(0.07, 0.1)
        notes = []
        for _ in track.onsets:
            crackle = hiss(rng, 0.5, 0.12) * (rng.uniform(size=round(0.5 * RATE)) < 0.01)
            notes.append(hiss(rng, 0.5, decay, dull=2) + ring(0.5, (pitch,), (1.5,), (0.1,)) + crackle)
        return place(notes, track, seconds)
