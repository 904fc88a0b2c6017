"""Scalars of a run as small line charts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asva_lightning.files import read_json_lines

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 170, 52, 12, 10, 24
MOST_POINTS = 600
NOT_DRAWN = ("step", "time", "epoch")

Point = tuple[int, float]


@dataclass(frozen=True)
class Curve:
    """One metric over steps, with its place in a chart of ``WIDTH`` x ``HEIGHT``.

    Args:
        name: Name of the metric.
        points: Step and value, by rising step.
        last_step: Where the axis of steps ends, the same for all charts of a page.
    """

    name: str
    points: Sequence[Point]
    last_step: int

    @property
    def low(self) -> float:
        """Smallest finite value."""
        return min((value for _, value in self.points if math.isfinite(value)), default=0.0)

    @property
    def high(self) -> float:
        """Largest finite value."""
        return max((value for _, value in self.points if math.isfinite(value)), default=0.0)

    @property
    def latest(self) -> str:
        """The newest value, for people."""
        return f"{self.points[-1][1]:.4g}"

    @property
    def dots(self) -> list[tuple[int, str, float, float]]:
        """Step, value as text, and place of every finite point; what the page's script shows under the pointer."""
        return [
            (step, f"{value:.4g}", round(self.x(step), 1), round(self.y(value), 1))
            for step, value in self.points
            if math.isfinite(value)
        ]

    @property
    def lines(self) -> list[str]:
        """Points of every unbroken stretch; nan and infinity break the line."""
        stretches: list[list[str]] = [[]]
        for step, value in self.points:
            if math.isfinite(value):
                stretches[-1].append(f"{self.x(step):.1f},{self.y(value):.1f}")
            elif stretches[-1]:
                stretches.append([])
        return [" ".join(stretch) for stretch in stretches if stretch]

    def x(self, step: float) -> float:
        """Place of a step."""
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.last_step, 1)

    def y(self, value: float) -> float:
        """Place of a value; a constant lies in the middle."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


def read_curves(path: Path) -> list[Curve]:
    """Read every scalar of a ``metrics.jsonl``.

    Of a step that was done twice, before and after a resume, the later value counts.

    Args:
        path: The file; a missing one has no curves.

    Returns:
        Curves by name.
    """
    values: dict[str, dict[int, float]] = {}
    for line in read_json_lines(path):
        for name in line.keys() - set(NOT_DRAWN):
            values.setdefault(name, {})[line["step"]] = float(line[name])
    last_step = max((step for points in values.values() for step in points), default=0)
    return [Curve(name, _thin(sorted(values[name].items())), last_step) for name in sorted(values)]


def _thin(points: Sequence[Point]) -> Sequence[Point]:
    """Keep the lowest and highest of every stretch, so that a spike of a long run stays visible, and the last."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)
    kept: set[Point] = {points[-1]}
    for first in range(0, len(points), size):
        stretch = points[first : first + size]
        kept |= {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
    return sorted(kept)
