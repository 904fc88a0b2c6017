"""Small line charts side by side as one SVG file: a mean with its interval over a number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asva_lightning.pages.curves import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH
from asva_lightning.pages.render import render

TITLE = 26
"""Height of a panel's title."""

SPACING = 24
"""Pixels that the number of a tick takes at least."""


@dataclass(frozen=True)
class Point:
    """A value with its interval at a place of the axis.

    Args:
        x: Place on the axis.
        y: The value.
        low: Lower end of its interval.
        high: Upper end.
    """

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One chart.

    Args:
        title: What it shows.
        points: By rising ``x``; points whose value is no finite number are left out.
        axis: What ``x`` is.
    """

    title: str
    points: Sequence[Point]
    axis: str = ""

    @property
    def shown(self) -> list[Point]:
        """The points that have a place."""
        return [point for point in self.points if all(map(math.isfinite, vars(point).values()))]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of the numbers below the axis; no text where it would run into the one before."""
        ticks, last = list[tuple[float, str]](), -math.inf
        for place, x in ((self.place_x(point.x), point.x) for point in self.shown):
            fits = place - last >= SPACING
            ticks.append((place, f"{x:g}" if fits else ""))
            last = place if fits else last
        return ticks

    @property
    def levels(self) -> list[tuple[float, str]]:
        """Place and text of the lowest and the highest number beside the chart."""
        return [(self.place_y(value), f"{value:.3g}") for value in dict.fromkeys(self._range)]

    @property
    def line(self) -> str:
        """The values as points of a polyline."""
        return " ".join(f"{self.place_x(point.x):.1f},{self.place_y(point.y):.1f}" for point in self.shown)

    @property
    def band(self) -> str:
        """The intervals as points of a polygon."""
        lower = [(point.x, point.low) for point in self.shown]
        upper = [(point.x, point.high) for point in reversed(self.shown)]
        return " ".join(f"{self.place_x(x):.1f},{self.place_y(y):.1f}" for x, y in lower + upper)

    def place_x(self, x: float) -> float:
        """Pixels from the left."""
        first, last = self.shown[0].x, self.shown[-1].x
        return LEFT + (WIDTH - LEFT - RIGHT) * ((x - first) / (last - first) if last > first else 0.5)

    def place_y(self, y: float) -> float:
        """Pixels from the top."""
        low, high = self._range
        share = (y - low) / (high - low) if high > low else 0.5
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TITLE) * share

    @property
    def _range(self) -> tuple[float, float]:
        return min(point.low for point in self.shown), max(point.high for point in self.shown)


def panels_svg(panels: Sequence[Panel]) -> str:
    """Draw charts side by side; those without a point are left out.

    Args:
        panels: The charts.

    Returns:
        An SVG file.
    """
    chart = {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM}
    return render("panels.svg.j2", panels=[panel for panel in panels if panel.shown], chart=chart)
