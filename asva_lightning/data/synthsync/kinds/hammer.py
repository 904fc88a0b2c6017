"""A hammer far away, whose blow is seen before it is heard."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import FLAME, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import flash, pulse, since_blow
from asva_lightning.data.synthsync.shapes import Array, Capsule, Rays, Slab
from asva_lightning.data.synthsync.tones import hiss, place, ring
from asva_lightning.data.synthsync.track import EventTrack, irregular_onsets, strengths

RAISED = np.deg2rad(52)


class Hammer(Kind):
    """The sound comes late by a lead that is constant in a clip."""

    name = "hammer"
    text = "a distant hammer striking an anvil"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the sounds, and by how much the blows come before them."""
        onsets = irregular_onsets(rng, seconds)
        return EventTrack(onsets, strengths(rng, len(onsets)), lead=rng.uniform(0.12, 0.2))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the anvil, the hammer, and sparks as long as the blow is strong."""
        angle = RAISED * (1 - pulse(track, canvas.times))
        since, strength = since_blow(track, canvas.times)
        pivot_x, pivot_y, length = 0.8, 0.12, 1.05
        head_x, head_y = pivot_x - length * np.cos(angle), pivot_y - length * np.sin(angle)
        canvas.paint(Slab(-0.3, 0.85, 0.4, 0.1), palette.second)
        canvas.paint(Slab(-0.3, 0.7, 0.2, 0.2), palette.second)
        canvas.paint(Slab(-0.3, 0.56, 0.55, 0.13), palette.second)
        canvas.paint(Capsule(pivot_x, pivot_y, head_x, head_y, 0.07), palette.second)
        canvas.paint(Slab(head_x, head_y, 0.2, 0.32, 0.06, angle), palette.main)
        hit = flash(track, canvas.times)
        reach = 0.3 + 0.3 * strength * np.clip(since / 0.06, 0, 1)
        canvas.paint(Rays(-0.25, 0.42, 0.22, reach, count=12, radius=0.08), palette.main, opacity=hit)
        canvas.paint(Rays(-0.25, 0.42, 0.22, reach, count=12, radius=0.05), FLAME, opacity=hit)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """The bright partials of a struck bar."""
        pitch, decay = rng.uniform(620, 900), rng.uniform(0.1, 0.16)
        partials = np.array([1.0, 2.76, 5.4, 8.0])
        notes = [
            ring(0.6, partials * pitch * rng.uniform(0.99, 1.01), (0.8, 1, 0.6, 0.3), decay / np.sqrt(partials))
            + 0.3 * hiss(rng, 0.6, 0.004)
            for _ in track.onsets
        ]
        return place(notes, track, seconds)
