"""Numbers and lines as people read them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

UNITS = (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


@dataclass
class Section:
    """One part of the report.

    Args:
        title: Its heading.
        lines: What it says.
        stops: How many things would stop `fit`.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    stops: int = 0

    def stop(self, message: object, word: str = "MISSING", indent: str = "") -> None:
        """Tell of something that would stop `fit`."""
        self.stops += 1
        self.lines.append(f"{indent}{word}: {message}")

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {line}" for line in self.lines)])


def quantity(value: float, unit: str) -> str:
    """Three significant digits and a decimal prefix: ``9.67 GB``, ``310 M``."""
    for prefix, size in UNITS:
        if abs(value) >= size:
            return f"{_three_digits(value / size)} {prefix}{unit}"
    return f"{value:.0f} {unit}".rstrip()


def millions(count: int) -> str:
    """A number of parameters in millions: ``1169.4 M``; in full below a tenth of one."""
    return f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count}"


def aligned(rows: Sequence[Sequence[str]], numbers: bool = False) -> list[str]:
    """Columns of equal width.

    Args:
        rows: Cells; the last column is not filled up.
        numbers: Whether all columns but the first hold numbers, which stand at the right.
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return [
        "  ".join(
            cell.rjust(width) if numbers and place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]


def duration(hours: float) -> str:
    """``12.5 hours``, or minutes or seconds where that is little."""
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{60 * hours:.1f} minutes" if hours >= 1 / 60 else f"{3600 * hours:.2g} seconds"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
