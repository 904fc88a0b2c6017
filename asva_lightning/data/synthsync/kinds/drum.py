"""A stick that hits a drum."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import DARK, FLAME, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.motion import flash, pulse, since_blow
from asva_lightning.data.synthsync.shapes import Array, Capsule, Ellipse, Slab
from asva_lightning.data.synthsync.tones import hiss, place, ring
from asva_lightning.data.synthsync.track import EventTrack, irregular_onsets, strengths

RAISED, DOWN = np.deg2rad(-48), np.deg2rad(22)


class Drum(Kind):
    """The stick falls, stays on the skin for a moment, and goes back up."""

    name = "drum"
    text = "a stick hitting a drum"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the beats."""
        onsets = irregular_onsets(rng, seconds)
        return EventTrack(onsets, strengths(rng, len(onsets)))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the drum, whose skin lights up with the strength of the beat, and the stick."""
        swing = pulse(track, canvas.times)
        lit = flash(track, canvas.times) * since_blow(track, canvas.times)[1]
        angle = RAISED + (DOWN - RAISED) * swing
        hand_x, hand_y, length = 0.8, -0.12, 0.95
        tip_x, tip_y = hand_x - length * np.cos(angle), hand_y + length * np.sin(angle)
        canvas.paint(Slab(-0.12, 0.62, 0.72, 0.3, 0.12), palette.main)
        canvas.paint(Ellipse(-0.12, 0.36, 0.72, 0.22), DARK)
        canvas.paint(Ellipse(-0.12, 0.35, 0.65, 0.17), palette.second)
        canvas.paint(Ellipse(-0.12, 0.35, 0.65, 0.17), FLAME, opacity=lit)
        canvas.paint(Capsule(hand_x, hand_y, tip_x, tip_y, 0.08), palette.main)
        canvas.paint(Ellipse(tip_x, tip_y, 0.15), palette.main)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """The modes of a round skin, and the rattle of the beat."""
        pitch, decay = rng.uniform(85, 130), rng.uniform(0.08, 0.12)
        modes = np.array([1.0, 1.59, 2.14, 2.3])
        notes = [
            ring(0.5, modes * pitch * rng.uniform(0.98, 1.02), (1, 0.6, 0.4, 0.3), decay / modes)
            + 0.35 * hiss(rng, 0.5, 0.03, dull=3)
            for _ in track.onsets
        ]
        return place(notes, track, seconds)
