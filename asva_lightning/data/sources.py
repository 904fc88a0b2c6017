"""Where clips come from before they are shards."""

import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError, ShardsError

MEDIA_SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".ts", ".3gp"}
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ClipItem:
    """One clip to be put into shards.

    Args:
        key: Unique name, ``<category>/<name>``, without dots.
        split: Which split it belongs to.
        category: Class name.
        text: Class text.
        origin: Where the source finds it again.
    """

    key: str
    split: str
    category: str
    text: str
    origin: str


@dataclass(frozen=True)
class MadeClip:
    """A media file that is ready to be put into shards, or a part of one that is to be cut out first.

    Args:
        path: The file.
        seconds: Length in which there are both picture and sound.
        fps: Frames a second.
        extra: Whatever else is known of it.
        cut: First and last second of the part that is the clip, counted from the file's first frame; ``None`` if the
            file is the clip.
    """

    path: str
    seconds: float
    fps: float
    extra: Mapping[str, Any] = field(default_factory=dict)
    cut: tuple[float, float] | None = None


class ClipSource(ABC):
    """A set of clips; its methods run in other processes too, so it must be picklable."""

    expect: Mapping[str, int] | None = None
    """How many clips there should be by split, and how many ``classes``; nothing is checked where it is ``None``."""

    @property
    def expected_losses(self) -> frozenset[str]:
        """Reasons for leaving a clip out that are normal for such a set: they are reported, and are no failure."""
        return frozenset()

    @abstractmethod
    def items(self) -> Sequence[ClipItem]:
        """All clips, in a fixed order."""

    @abstractmethod
    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Find, or make in ``folder``, the media file of a clip.

        Raises:
            MediaError: If this clip is to be left out, and why.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What identifies this set of clips, for JSON."""


def clip_key(category: str, name: str) -> str:
    """The key of a clip: ``<category>/<name>``, with an underscore for each character that a key does not allow."""
    return "/".join(re.sub(r"[./\\\0]", "_", part) for part in (category, name))


def chosen(source: Any, always: Iterable[str]) -> dict[str, Any]:
    """Settings of a source, a dataclass, for its description: those of some names, and all that are not as usual.

    Left out is what is expected of it, since that changes no clip.
    """
    usual = {
        setting.name: setting.default if setting.default_factory is MISSING else setting.default_factory()
        for setting in fields(source)
    }
    changed = {name for name, value in usual.items() if getattr(source, name) != value}
    settings = asdict(source)
    return {name: settings[name] for name in usual if name in {*always, *changed} - {"expect"}}


def split_by_chance(name: str, test_share: float) -> str:
    """``test`` for a share of all names, else ``train``: a function of the name alone, so adding clips moves none."""
    return "test" if zlib.crc32(name.encode()) / 2**32 < test_share else "train"


def unique(items: Iterable[ClipItem]) -> list[ClipItem]:
    """The items, once it is known that each has a key of its own.

    Raises:
        ShardsError: If two share a key.
    """
    known: dict[str, ClipItem] = {}
    for item in items:
        if item.key in known:
            raise ShardsError(
                f"{item.origin} and {known[item.key].origin} would share the key {item.key!r}. Rename one of the "
                "files, or remove one from the list."
            )
        known[item.key] = item
    return list(known.values())


def check_expectation(expect: Mapping[str, int] | None) -> None:
    """Refuse an expectation of something that is not counted.

    Raises:
        ConfigurationError: If a name is neither a split nor ``classes``.
    """
    unknown = sorted(set(expect or {}) - {*SPLITS, "classes"})
    if unknown:
        raise ConfigurationError(f"expect counts {', '.join(SPLITS)} and classes, not {', '.join(unknown)}.")


def unmet(expect: Mapping[str, int] | None, items: Sequence[ClipItem]) -> list[str]:
    """What is not as expected of clips that were built, a sentence each."""
    counted = {split: sum(item.split == split for item in items) for split in SPLITS}
    counted["classes"] = len({item.category for item in items})
    return [
        f"expected {wanted} {what if what == 'classes' else f'{what} clips'}, found {counted[what]}"
        for what, wanted in (expect or {}).items()
        if counted[what] != wanted
    ]
