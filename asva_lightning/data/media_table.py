"""A table of media files as a source of clips."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asva_lightning.data.media_file import Limits, examined
from asva_lightning.data.sources import (
    SPLITS,
    ClipItem,
    ClipSource,
    MadeClip,
    check_expectation,
    chosen,
    clip_key,
    split_by_chance,
    unique,
)
from asva_lightning.data.tables import read_table
from asva_lightning.errors import ConfigurationError, ShardsError


@dataclass(frozen=True)
class Columns:
    """Which column of a table says what; all but the first may be missing.

    Args:
        path: The media file, absolute or below the folder of media.
        text: Class text. Where it is missing, the category with spaces for underscores.
        category: Class name. Where it is missing, the text with underscores for spaces, else the file's folder.
        split: ``train``, ``validation`` or ``test``. Where it is missing, a share of the clips becomes ``test``.
        start: Where the clip begins, in seconds after the file's first frame.
        end: Where it ends. With a start or an end the clip is cut out of the file.
    """

    path: str = "path"
    text: str = "text"
    category: str = "category"
    split: str = "split"
    start: str = "start"
    end: str = "end"


USUAL_COLUMNS = Columns()


@dataclass(frozen=True)
class MediaTable(ClipSource):
    """A CSV, TSV or Parquet table with one clip a row.

    Args:
        path: The table.
        media: The folder that the paths in the table start from; ``None`` for the table's own folder.
        columns: Names of the columns.
        test_share: Share of files, each with all its clips, that are kept for testing where the table does not say.
        minimum_seconds: Shorter clips are left out.
        minimum_fps: Clips of fewer frames a second are left out.
        expect: How many clips there should be by split, and how many ``classes``.
    """

    path: str
    media: str | None = None
    columns: Columns = field(default_factory=Columns)
    test_share: float = 0.1
    minimum_seconds: float = Limits.seconds
    minimum_fps: float = 0.0
    expect: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if self.media is not None and not Path(self.media).is_dir():
            raise ShardsError(f"The folder of media {self.media} does not exist. Give the one that paths start from.")
        if not 0 <= self.test_share < 1:
            raise ConfigurationError(f"--test_share must be at least 0 and less than 1, not {self.test_share}.")
        check_expectation(self.expect)

    def items(self) -> list[ClipItem]:
        """All clips, in the order of the table.

        Raises:
            ShardsError: If there is no such table, a column or a value is missing or wrong, or two clips would share a
                key.
        """
        rows = read_table(Path(self.path))
        self._check_columns(list(rows[0]))
        return unique(self._item(number, row) for number, row in enumerate(rows, start=1))

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Look at the file, or at the part of it that the table names."""
        file, start, end = json.loads(item.origin)
        return examined(self._root / file, Limits(self.minimum_seconds, self.minimum_fps), (start, end))

    def describe(self) -> dict[str, Any]:
        """The table and how it is read."""
        described = {"source": "table", **chosen(self, ("test_share", "minimum_seconds")), "path": Path(self.path).name}
        return described if self.media is None else described | {"media": Path(self.media).resolve().name}

    @property
    def _root(self) -> Path:
        return Path(self.path).parent if self.media is None else Path(self.media)

    def _check_columns(self, found: Sequence[str]) -> None:
        chosen, usual = asdict(self.columns), asdict(USUAL_COLUMNS)
        for what, name in chosen.items():
            if name not in found and (what == "path" or name != usual[what]):
                raise ShardsError(
                    f"{self.path} has no column {name!r}, only {', '.join(found)}. Name the column with "
                    f"--columns.{what}. A list in the manner of VGGSound, without a line of column names, is read by "
                    "asva_lightning.data.VGGSound in a recipe; see shards/vggsound.yaml."
                )

    def _item(self, number: int, row: Mapping[str, Any]) -> ClipItem:
        path, text, category, split = (
            self._word(row, column)
            for column in (self.columns.path, self.columns.text, self.columns.category, self.columns.split)
        )
        if path is None:
            raise ShardsError(f"{self.path}, row {number} names no file. Fill in the column {self.columns.path!r}.")
        if split is not None and split not in SPLITS:
            raise ShardsError(f"{self.path}, row {number} has the split {split!r}, not {', '.join(SPLITS)}.")
        category = category or (text.replace(" ", "_") if text else Path(path).absolute().parent.name)
        start, end = self._seconds(number, row)
        name = Path(path).stem if start is None and end is None else f"{Path(path).stem}-{_told(start)}_{_told(end)}"
        return ClipItem(
            key=clip_key(category, name),
            # By the file alone: parts of one video are too alike to stand on both sides.
            split=split or split_by_chance(Path(path).as_posix(), self.test_share),
            category=category,
            text=text or category.replace("_", " "),
            origin=json.dumps([path, start, end], ensure_ascii=False),
        )

    @staticmethod
    def _word(row: Mapping[str, Any], column: str) -> str | None:
        value = row.get(column)
        return None if value is None else str(value)

    def _seconds(self, number: int, row: Mapping[str, Any]) -> tuple[float | None, float | None]:
        times: list[float | None] = []
        for column in (self.columns.start, self.columns.end):
            value = row.get(column)
            try:
                time = None if value is None else float(value)
            except (TypeError, ValueError):
                time = math.nan
            if time is not None and not 0 <= time < math.inf:
                raise ShardsError(
                    f"{self.path}, row {number}: {column} is {value!r}, not a time in seconds from the first frame on."
                )
            times.append(time)
        start, end = times
        if end is not None and end <= (start or 0.0):
            raise ShardsError(f"{self.path}, row {number} ends at {end:g} s, before it starts.")
        return start, end


def _told(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:g}"
