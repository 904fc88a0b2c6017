"""Rows of a CSV or Parquet file."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError, ShardsError

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, each from column name to value; cells without content are ``None``.

    Args:
        path: A file that ends in ``.csv``, ``.tsv`` (both UTF-8, the first line names the columns) or ``.parquet``.

    Raises:
        ShardsError: If the file does not exist, has no rows, or is no such table.
        ConfigurationError: If it is Parquet and pyarrow is not installed.
    """
    if not path.is_file():
        raise ShardsError(f"The table {path} does not exist. Give a CSV or Parquet file that lists media files.")
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
    if not rows:
        raise ShardsError(f"The table {path} has no rows. Name one clip a row, below a first line of column names.")
    return [{name: None if value == "" else value for name, value in row.items()} for row in rows]


def read_lines(path: Path, columns: int, what: str) -> list[list[str]]:
    """The lines of a CSV file without a line of column names.

    Args:
        path: The file, UTF-8.
        columns: How many cells a line has.
        what: What they are, for messages.

    Raises:
        ShardsError: If the file does not exist, is empty, or a line has another number of cells.
    """
    if not path.is_file():
        raise ShardsError(f"The list {path} does not exist. Give a CSV file of {what}.")
    lines = []
    for number, cells in _read(path, ","):
        if len(cells) != columns:
            raise ShardsError(f"{path}, line {number} has {len(cells)} cells, not {columns}: {what}.")
        lines.append([cell.strip() for cell in cells])
    if not lines:
        raise ShardsError(f"The list {path} is empty. It holds {what}, one clip a line.")
    return lines


def _text(path: Path) -> list[Mapping[str, Any]]:
    names: list[str] | None = None
    rows: list[Mapping[str, Any]] = []
    for number, cells in _read(path, "\t" if path.suffix.lower() == ".tsv" else ","):
        if names is None:
            names = [cell.strip() for cell in cells]
            continue
        if len(cells) != len(names):
            raise ShardsError(
                f"{path}, line {number} has {len(cells)} cells, but {len(names)} columns are named. Put cells that "
                "hold a comma into double quotes."
            )
        rows.append(dict(zip(names, (cell.strip() for cell in cells))))
    return rows


def _read(path: Path, delimiter: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of every line that is not empty."""
    try:
        # Spreadsheets put a byte order mark in front.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except UnicodeDecodeError as error:
        line = _line_of_first_fault(path.read_bytes())
        raise ShardsError(
            f"{path} is no UTF-8 table: {error.reason} in line {line}. Save it as CSV with UTF-8."
        ) from error
    except csv.Error as error:
        raise ShardsError(f"{path} is no UTF-8 table: {error}. Save it as CSV with UTF-8.") from error


def _line_of_first_fault(content: bytes) -> int:
    """The line of the first byte that is no UTF-8; what was met while reading counts from a block's beginning."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return 1


def _parquet(path: Path) -> list[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ConfigurationError(
            f"Reading {path} needs pyarrow, which is not installed: pip install pyarrow. Or save the table as CSV."
        ) from error
    try:
        rows: list[Mapping[str, Any]] = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as error:
        raise ShardsError(f"{path} is no Parquet table: {error}.") from error
    return rows
