"""Clips that a list in the manner of VGGSound names, as far as they were downloaded."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    unique,
)
from asva_lightning.data.tables import read_lines
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError

SECONDS = 10
"""How long the clips of VGGSound are."""
NOT_DOWNLOADED = "was not downloaded"
LINE = "youtube id, start second, label, split"


@dataclass(frozen=True)
class VGGSound(ClipSource):
    """A CSV list without column names (youtube id, start second, label, split) and a folder of downloads.

    Videos vanish from the web, so listed clips without a file are normal: they are counted and listed among those that
    were left out, and are no failure.

    Args:
        path: The list.
        media: The folder of downloaded files.
        file: Name of a file; ``{id}``, ``{start}`` and ``{end}`` (whole seconds) stand for those of the clip.
        minimum_seconds: Shorter clips are left out.
        minimum_fps: Clips of fewer frames a second are left out.
        expect: How many clips there should be by split, and how many ``classes``.
    """

    path: str
    media: str
    file: str = "{id}_{start:06d}.mp4"
    minimum_seconds: float = Limits.seconds
    minimum_fps: float = 0.0
    expect: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if not Path(self.media).is_dir():
            raise ShardsError(f"The folder of downloads {self.media} does not exist. Give the folder of the mp4 files.")
        check_expectation(self.expect)
        try:
            self.file.format(id="id", start=0, end=SECONDS)
        except (KeyError, ValueError, IndexError) as error:
            raise ConfigurationError(
                f"file is {self.file!r}, which is no pattern of a name ({error}). Compare '{VGGSound.file}'."
            ) from error

    @property
    def expected_losses(self) -> frozenset[str]:
        """That a clip was not downloaded."""
        return frozenset({NOT_DOWNLOADED})

    def items(self) -> list[ClipItem]:
        """All clips of the list, in its order, downloaded or not.

        Raises:
            ShardsError: If there is no such list, a line is wrong, or two clips share a key.
        """
        lines = read_lines(Path(self.path), 4, LINE)
        return unique(self._item(number, *line) for number, line in enumerate(lines, start=1))

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Look at the download as it is."""
        path = Path(self.media) / item.origin
        if not path.is_file():
            raise MediaError(path, NOT_DOWNLOADED)
        return examined(path, Limits(self.minimum_seconds, self.minimum_fps))

    def describe(self) -> dict[str, Any]:
        """The list and which of its clips are taken."""
        names = {"path": Path(self.path).name, "media": Path(self.media).resolve().name}
        return {"source": "vggsound", **chosen(self, ("minimum_seconds",)), **names}

    def _item(self, number: int, id: str, start: str, label: str, split: str) -> ClipItem:
        if not start.isdecimal() or not id or not label or split not in SPLITS:
            raise ShardsError(
                f"{self.path}, line {number} is {id}, {start}, {label}, {split}, not {LINE}; splits are "
                f"{', '.join(SPLITS)}."
            )
        category = label.replace(" ", "_")
        file = self.file.format(id=id, start=int(start), end=int(start) + SECONDS)
        return ClipItem(clip_key(category, f"{id}_{int(start):06d}"), split, category, label, file)
