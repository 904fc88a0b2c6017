"""One chart of values against what they should be, as an SVG file: every value, means with intervals, the ideal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asva_lightning.pages.panels import Point
from asva_lightning.pages.render import render

SIDE, LEFT, RIGHT, TOP, BOTTOM = 360, 58, 16, 34, 44


@dataclass(frozen=True)
class Scatter:
    """Values that ideally equal their place on the axis.

    Args:
        title: What is shown.
        axis: What the axis below is.
        values_axis: What the values are.
        values: Place on the axis and value of everything that was measured; values that are not finite are left out.
        means: Mean and interval at each place, where there are any.
        slope: Slope of the line through the origin that is drawn; nan for none.
    """

    title: str
    axis: str
    values_axis: str
    values: Sequence[tuple[float, float]]
    means: Sequence[Point]
    slope: float = math.nan

    @property
    def reach(self) -> float:
        """Both axes go from minus this to this."""
        numbers = [number for pair in self._finite for number in pair] + [mean.x for mean in self.means]
        return 1.08 * max([abs(number) for number in numbers], default=1.0) or 1.0

    @property
    def dots(self) -> list[tuple[float, float]]:
        """Place of every value, in pixels."""
        return [(self.x(place), self.y(value)) for place, value in self._finite]

    @property
    def bars(self) -> list[tuple[float, float, float, float, str]]:
        """Place of every mean and of the ends of its interval, in pixels, and its number on the axis."""
        finite = [mean for mean in self.means if all(map(math.isfinite, vars(mean).values()))]
        return [(self.x(of.x), self.y(of.y), self.y(of.low), self.y(of.high), f"{of.x:.2g}") for of in finite]

    @property
    def ticks(self) -> list[tuple[float, float, str]]:
        """Place on the axis below, the same on that of the values, and text of their numbers."""
        numbers = sorted({0.0, *(mean.x for mean in self.means)})
        return [(self.x(number), self.y(number), f"{number:.2g}") for number in numbers]

    def line(self, slope: float) -> tuple[float, float, float, float]:
        """Ends of the line through the origin, in pixels, as far as the chart goes."""
        end = self.reach * min(1.0, 1 / abs(slope)) if slope else self.reach
        return self.x(-end), self.y(-slope * end), self.x(end), self.y(slope * end)

    @property
    def fitted(self) -> tuple[float, float, float, float] | None:
        """Ends of the fitted line, where there is one."""
        return self.line(self.slope) if math.isfinite(self.slope) else None

    def x(self, number: float) -> float:
        """Pixels from the left."""
        return round(LEFT + (SIDE - LEFT - RIGHT) * (number / self.reach + 1) / 2, 1)

    def y(self, number: float) -> float:
        """Pixels from the top."""
        return round(SIDE - BOTTOM - (SIDE - BOTTOM - TOP) * (number / self.reach + 1) / 2, 1)

    @property
    def _finite(self) -> list[tuple[float, float]]:
        return [(place, value) for place, value in self.values if math.isfinite(value)]

    def svg(self) -> str:
        """Draw it."""
        frame = {"side": SIDE, "left": LEFT, "right": SIDE - RIGHT, "top": TOP, "bottom": SIDE - BOTTOM}
        return render("scatter.svg.j2", chart=self, frame=frame)
