"""Where clips come from before they are shards."""

import json
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.media import ClipFormat, probe, read_clip

MEDIA_SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".ts", ".3gp"}
LOOK = ClipFormat(frames=2, fps=10, height=16, width=16)
"""A glance at the beginning and the end of a file shows whether it decodes."""


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
    """A media file that is ready to be put into shards.

    Args:
        path: The file.
        seconds: Length in which there are both picture and sound.
        fps: Frames a second.
        extra: Whatever else is known of it.
    """

    path: str
    seconds: float
    fps: float
    extra: Mapping[str, Any] = field(default_factory=dict)


class ClipSource(ABC):
    """A set of clips; its methods run in other processes too, so it must be picklable."""

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


@dataclass(frozen=True)
class MediaFolder(ClipSource):
    """A folder of media files, one subfolder a class.

    AVSync15's layout is understood: files under ``videos/``, ``train.txt`` and ``test.txt`` that list
    ``<class>/<file>``, ``class_mapping.json`` from folder names to class texts. So is ``videos/{train,test}/<class>``.
    Without lists a part of the clips, chosen by their names, becomes the test split.

    Args:
        path: The folder.
        test_share: Share of clips that are kept for testing where no list says.
        minimum_seconds: Shorter clips are left out.
    """

    path: str
    test_share: float = 0.1
    minimum_seconds: float = ClipFormat().seconds

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise ShardsError(f"The folder of clips {self.path} does not exist. Give the folder that holds the media.")
        if not 0 <= self.test_share < 1:
            raise ConfigurationError(f"--test_share must be at least 0 and less than 1, not {self.test_share}.")

    @property
    def root(self) -> Path:
        """Where the class folders are."""
        videos = Path(self.path) / "videos"
        return videos if videos.is_dir() else Path(self.path)

    def items(self) -> list[ClipItem]:
        """All clips that the lists name, or all media files if there are no lists.

        Raises:
            ShardsError: If there are none, or two would share a key.
        """
        texts = self._texts()
        items: dict[str, ClipItem] = {}
        for split, file in self._files():
            category = Path(file).parent.name or self._name
            key = f"{category}/{Path(file).stem}".replace(".", "_")
            if key in items:
                raise ShardsError(
                    f"{file} and {items[key].origin} would share the key {key!r}. Rename one of the files."
                )
            text = texts.get(category, category.replace("_", " "))
            items[key] = ClipItem(key, split, category, text, file)
        if not items:
            raise ShardsError(
                f"No media files under {self.root}. Put clips into one folder a class, such as {self.root}/dog_barking/"
                f"1.mp4; known endings are {', '.join(sorted(MEDIA_SUFFIXES))}."
            )
        return list(items.values())

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Look at the file as it is; it goes into the shards byte for byte."""
        path = (self.root / item.origin).absolute()  # a build may be continued from another place
        if not path.is_file():
            raise MediaError(path, "the list names this file, but it does not exist")
        info = probe(path)
        if not (info.has_picture and info.has_sound):
            raise MediaError(path, "has no picture" if info.has_sound else "has no sound")
        if info.seconds < self.minimum_seconds:
            raise MediaError(path, f"is {info.seconds:.2f} s long, shorter than {self.minimum_seconds:g} s")
        for start in (0.0, max(0.0, info.seconds - LOOK.seconds)):
            read_clip(path, LOOK, start)
        return MadeClip(str(path), info.seconds, info.fps)

    def describe(self) -> dict[str, Any]:
        """The folder and how it is split."""
        return {"source": "folder", **asdict(self), "path": self._name}

    @property
    def _name(self) -> str:
        """Name of the folder, also where the path is a dot."""
        return Path(self.path).resolve().name

    def _texts(self) -> dict[str, str]:
        path = Path(self.path) / "class_mapping.json"
        if not path.is_file():
            return {}
        try:
            texts = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ShardsError(f"{path} is no JSON: {error}. It maps folder names to class texts.") from error
        if not isinstance(texts, dict):
            raise ShardsError(f"{path} holds no JSON object. It maps folder names to class texts.")
        return {str(name): str(text) for name, text in texts.items()}

    def _files(self) -> list[tuple[str, str]]:
        """Split and path below the root of every clip."""
        lists = [(split, Path(self.path) / f"{split}.txt") for split in ("train", "validation", "test")]
        if not any(path.is_file() for _, path in lists):
            return [
                self._placed(path) for path in sorted(self.root.rglob("*")) if path.suffix.lower() in MEDIA_SUFFIXES
            ]
        files = []
        for split, path in lists:
            lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
            named = [line.strip() for line in lines if line.strip()]
            if path.is_file() and not named:
                raise ShardsError(f"The list {path} is empty. Name one <class>/<file> a line, or delete it.")
            for name in named:
                below = self.root / split / name
                files.append((split, f"{split}/{name}" if below.is_file() else name))
        return files

    def _placed(self, path: Path) -> tuple[str, str]:
        """The split of a file that no list names: its folder says, or its name decides."""
        file = path.relative_to(self.root)
        if len(file.parts) > 2 and file.parts[0] in ("train", "validation", "test"):
            return file.parts[0], str(file)
        chance = zlib.crc32(str(file).encode()) / 2**32
        return ("test" if chance < self.test_share else "train"), str(file)
