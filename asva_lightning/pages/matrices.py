"""Square matrices side by side as one SVG file: which of some things is most like which."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from asva_lightning.pages.render import render

CELL, GAP, HEAD, MARGIN = 44, 28, 44, 64
COLUMNS = 4
"""So many matrices stand side by side before the next row begins."""

POSITIVE, NEGATIVE = (28, 111, 214), (217, 72, 15)


@dataclass(frozen=True)
class Cell:
    """One entry of a matrix, ready to be drawn.

    Args:
        x: Pixels from the left of the matrix.
        y: Pixels from its top.
        text: The value, for people.
        fill: Colour.
        ink: Colour of the text.
        own: Whether it lies on the diagonal.
    """

    x: int
    y: int
    text: str
    fill: str
    ink: str
    own: bool


@dataclass(frozen=True)
class Matrix:
    """One matrix.

    Args:
        title: What it shows.
        rows: The values, row by row; all rows have as many as there are rows.
        note: A second line below the title.
    """

    title: str
    rows: Sequence[Sequence[float]]
    note: str = ""

    @property
    def side(self) -> int:
        """Pixels of a side."""
        return CELL * len(self.rows)

    def cells(self, full: float) -> list[Cell]:
        """The entries.

        Args:
            full: The size of a value that is drawn in full colour.
        """
        return [
            Cell(CELL * column, CELL * row, f"{value:z.2f}", *_colours(value, full), own=row == column)
            for row, values in enumerate(self.rows)
            for column, value in enumerate(values)
        ]


def matrices_svg(matrices: Sequence[Matrix], rows: str, columns: str) -> str:
    """Draw matrices side by side, the larger a value the deeper its colour; the diagonal is framed.

    Args:
        matrices: The matrices.
        rows: What the rows are.
        columns: What the columns are.

    Returns:
        An SVG file.
    """
    values = [abs(value) for matrix in matrices for row in matrix.rows for value in row if math.isfinite(value)]
    full = max([*values, 1e-9])
    side = max([matrix.side for matrix in matrices], default=0)
    wide, high = side + GAP + MARGIN, side + GAP + HEAD + 24
    across = min(COLUMNS, max(1, len(matrices)))
    placed = [
        (MARGIN + wide * (place % across), HEAD + high * (place // across), matrix, matrix.cells(full))
        for place, matrix in enumerate(matrices)
    ]
    return render(
        "matrices.svg.j2",
        placed=placed,
        cell=CELL,
        rows=rows,
        columns=columns,
        width=wide * across + MARGIN // 2,
        height=high * math.ceil(len(matrices) / across) + 8,
    )


def _colours(value: float, full: float) -> tuple[str, str]:
    """Colour of an entry and of the text on it; white at 0."""
    share = min(1.0, abs(value) / full) if math.isfinite(value) else 0.0
    end = POSITIVE if value >= 0 else NEGATIVE
    red, green, blue = (round(255 + (colour - 255) * share) for colour in end)
    return f"#{red:02x}{green:02x}{blue:02x}", "#ffffff" if share > 0.6 else "#20242b"
