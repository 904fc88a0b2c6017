"""A face that sings: the higher the tone, the wider the mouth."""

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import DARK, LIGHT, Palette
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.shapes import Array, Ellipse
from asva_lightning.data.synthsync.tones import along, clock, voice
from asva_lightning.data.synthsync.track import EventTrack, wandering

OCTAVES = 1.5
THROAT = (0.35, 0.05, 0.08)
TONGUE = (0.85, 0.35, 0.38)


class Mouth(Kind):
    """The control curve is the opening of the mouth and, on a scale of octaves, the pitch."""

    name = "mouth"
    text = "a face singing with its mouth opening at high notes"

    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw the tune."""
        return EventTrack(control=wandering(rng, seconds, frames))

    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint the face and its mouth."""
        opening = np.asarray(track.control or 0.0, dtype=np.float32)
        canvas.paint(Ellipse(0.0, 0.0, 0.94), palette.main)
        for side in (-0.36, 0.36):
            canvas.paint(Ellipse(side, -0.4, 0.2, 0.24), LIGHT)
            canvas.paint(Ellipse(side + 0.04, -0.36, 0.1), DARK)
        canvas.paint(Ellipse(0.0, 0.34, 0.5, 0.1 + 0.42 * opening), LIGHT)
        canvas.paint(Ellipse(0.0, 0.34, 0.44, 0.03 + 0.42 * opening), THROAT)
        canvas.paint(Ellipse(0.0, 0.36 + 0.26 * opening, 0.26, 0.01 + 0.15 * opening), TONGUE)

    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """A voice that glides, with a slight tremble."""
        lowest, tremble = rng.uniform(160, 230), rng.uniform(4.5, 6.5)
        control = along(track, seconds)
        shake = 1 + 0.006 * np.sin(2 * np.pi * tremble * clock(seconds))
        return voice(lowest * 2 ** (OCTAVES * control) * shake, (1.0, 0.7, 0.5, 0.2, 0.12, 0.06))
