"""The square in which one object is drawn: antialiased shapes over a still background, all frames at once."""

import numpy as np

from asva_lightning.data.synthsync.colours import Colour
from asva_lightning.data.synthsync.shapes import Array, PerFrame, Shape, per_frame


class Canvas:
    """A square part of the picture, in the coordinates of ``shapes``.

    There is one picture as long as nothing moves, and one for each frame from the first moving shape on. So still
    parts are cheap if they are painted first.

    Args:
        background: What lies behind the object, ``(3, side, side)`` in [0, 1].
        times: When each frame is shown, in seconds, ``(f,)``.
        mirror: Whether left and right are exchanged.
    """

    def __init__(self, background: Array, times: Array, mirror: bool = False) -> None:
        self.times = times
        self.mirror = mirror
        self.pixels = background[:, None].copy()
        self._scale = background.shape[-1] / 2
        self._grid = ((np.arange(background.shape[-1]) + 0.5) / self._scale - 1).astype(np.float32)

    def paint(self, shape: Shape, colour: Colour, opacity: PerFrame = 1.0, softness: float = 0.0) -> None:
        """Paint one shape over all that is there.

        Args:
            shape: What to paint.
            colour: Red, green and blue in [0, 1].
            opacity: How much of what lies behind is covered, in [0, 1]; one number or one for each frame.
            softness: Width of the blur of the edge, in units of the square; 0 is a sharp edge, one pixel wide.
        """
        edge = max(softness, 1 / self._scale)
        left, top, right, bottom = shape.bounds()
        if self.mirror:
            left, right = -right, -left
        columns, rows = self._span(left - edge, right + edge), self._span(top - edge, bottom + edge)
        x = self._grid[columns] * (-1 if self.mirror else 1)
        distance = shape.distance(x[None, None, :], self._grid[rows][None, :, None])
        cover = np.clip(0.5 - distance / edge, 0, 1) * per_frame(opacity)
        if len(cover) > self.pixels.shape[1]:
            self.pixels = np.repeat(self.pixels, len(cover), axis=1)
        for channel, value in zip(self.pixels[:, :, rows, columns], colour):
            channel += cover * (np.float32(value) - channel)

    def _span(self, first: float, last: float) -> slice:
        edges = (np.array([first, last]) + 1) * self._scale
        return slice(max(int(np.floor(edges[0])), 0), max(int(np.ceil(edges[1])), 0))
