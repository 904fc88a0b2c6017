"""Signed distances of simple shapes, for all frames of a clip at once.

Shapes live in the unit square of their object: x to the right and y down, both from -1 to 1. A parameter is one
number, or one number for each frame.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
PerFrame = float | Array
Bounds = tuple[float, float, float, float]


class Shape(Protocol):
    """Something that can be painted on a canvas."""

    def distance(self, x: Array, y: Array) -> Array:
        """Distance to the edge, negative inside.

        Args:
            x: Horizontal place of each column, ``(1, 1, w)``.
            y: Vertical place of each row, ``(1, h, 1)``.

        Returns:
            Distances ``(f, h, w)``, with ``f = 1`` for a shape that does not move.
        """
        ...

    def bounds(self) -> Bounds:
        """Left, top, right and bottom of the area that the shape touches in any frame."""
        ...


def per_frame(value: PerFrame) -> Array:
    """Shape one number, or one for each frame, as ``(f, 1, 1)`` so that it meets a grid of pixels."""
    return np.asarray(value, dtype=np.float32).reshape(-1, 1, 1)


def _around(x: PerFrame, y: PerFrame, across: PerFrame, along: PerFrame) -> Bounds:
    left, right = np.min(np.subtract(x, across)), np.max(np.add(x, across))
    top, bottom = np.min(np.subtract(y, along)), np.max(np.add(y, along))
    return float(left), float(top), float(right), float(bottom)


@dataclass(frozen=True)
class Ellipse:
    """An ellipse with horizontal and vertical radius; a disc where ``radius_y`` is left out."""

    x: PerFrame
    y: PerFrame
    radius_x: PerFrame
    radius_y: PerFrame | None = None

    def distance(self, x: Array, y: Array) -> Array:
        """Exact for a disc; for an ellipse right at the edge, where it matters, up to a softer long end."""
        radius_x, radius_y = per_frame(self.radius_x), per_frame(self._vertical)
        across, along = (x - per_frame(self.x)) / radius_x, (y - per_frame(self.y)) / radius_y
        return np.asarray((np.sqrt(across * across + along * along) - 1) * np.minimum(radius_x, radius_y))

    def bounds(self) -> Bounds:
        """Left, top, right and bottom."""
        return _around(self.x, self.y, self.radius_x, self._vertical)

    @property
    def _vertical(self) -> PerFrame:
        return self.radius_x if self.radius_y is None else self.radius_y


@dataclass(frozen=True)
class Capsule:
    """A straight line with round ends, from one point to another."""

    from_x: PerFrame
    from_y: PerFrame
    to_x: PerFrame
    to_y: PerFrame
    radius: float

    def distance(self, x: Array, y: Array) -> Array:
        """Distance to the nearest point of the line, less the radius."""
        from_x, from_y = per_frame(self.from_x), per_frame(self.from_y)
        run, rise = per_frame(self.to_x) - from_x, per_frame(self.to_y) - from_y
        x, y = x - from_x, y - from_y
        along = np.clip((x * run + y * rise) / (run * run + rise * rise), 0, 1)
        return np.asarray(np.hypot(x - along * run, y - along * rise) - self.radius)

    def bounds(self) -> Bounds:
        """Left, top, right and bottom."""
        one = _around(self.from_x, self.from_y, self.radius, self.radius)
        other = _around(self.to_x, self.to_y, self.radius, self.radius)
        return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


@dataclass(frozen=True)
class Slab:
    """A rectangle with rounded corners, given by its centre and half its size, turned by ``angle`` radians."""

    x: PerFrame
    y: PerFrame
    half_width: float
    half_height: float
    corner: float = 0.05
    angle: PerFrame = 0.0

    def distance(self, x: Array, y: Array) -> Array:
        """Distance to the inner rectangle, less the radius of the corners."""
        x, y = x - per_frame(self.x), y - per_frame(self.y)
        cosine, sine = np.cos(per_frame(self.angle)), np.sin(per_frame(self.angle))
        across = np.abs(x * cosine + y * sine) - (self.half_width - self.corner)
        along = np.abs(y * cosine - x * sine) - (self.half_height - self.corner)
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        return np.asarray(outside + np.minimum(np.maximum(across, along), 0) - self.corner)

    def bounds(self) -> Bounds:
        """Left, top, right and bottom: of the circle around it if it turns."""
        if np.ndim(self.angle) == 0 and self.angle == 0:
            return _around(self.x, self.y, self.half_width, self.half_height)
        reach = float(np.hypot(self.half_width, self.half_height))
        return _around(self.x, self.y, reach, reach)


@dataclass(frozen=True)
class Rays:
    """Equal rays around a centre, each from ``inner`` to ``outer``."""

    x: float
    y: float
    inner: PerFrame
    outer: PerFrame
    count: int
    radius: float

    def distance(self, x: Array, y: Array) -> Array:
        """Fold the plane into one sector, in which there is one ray only."""
        x, y = x - self.x, y - self.y
        sector = 2 * np.pi / self.count
        angle = np.mod(np.arctan2(y, x), sector) - sector / 2
        reach = np.hypot(x, y)
        along, across = reach * np.cos(angle), reach * np.sin(angle)
        nearest = np.clip(along, per_frame(self.inner), per_frame(self.outer))
        return np.asarray(np.hypot(along - nearest, across) - self.radius)

    def bounds(self) -> Bounds:
        """Left, top, right and bottom."""
        reach = float(np.max(self.outer)) + self.radius
        return _around(self.x, self.y, reach, reach)
