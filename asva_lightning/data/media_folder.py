"""A folder of media files as a source of clips."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from asva_lightning.data.media_file import NO_FILE, Limits, examined
from asva_lightning.data.sources import (
    MEDIA_SUFFIXES,
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
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.files import media_files


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
        minimum_fps: Clips of fewer frames a second are left out.
        may_lack_files: Videos vanish from the web: files that are listed and missing are reported, and are no failure.
        pattern: Only files of such names are clips, for instance ``*_thumb.mp4``. A list may name them by what the star
            stands for.
        text: The class text of all clips, for a folder of one class; ``None`` takes it from the class.
        expect: How many clips there should be by split, and how many ``classes``.
    """

    path: str
    test_share: float = 0.1
    minimum_seconds: float = Limits.seconds
    minimum_fps: float = 0.0
    may_lack_files: bool = False
    pattern: str = "*"
    text: str | None = None
    expect: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if not Path(self.path).is_dir():
            raise ShardsError(f"The folder of clips {self.path} does not exist. Give the folder that holds the media.")
        if not 0 <= self.test_share < 1:
            raise ConfigurationError(f"--test_share must be at least 0 and less than 1, not {self.test_share}.")
        check_expectation(self.expect)

    @property
    def expected_losses(self) -> frozenset[str]:
        """That a file is missing, where that is normal."""
        return frozenset({NO_FILE} if self.may_lack_files else ())

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
        items = []
        for split, file in self._files():
            category = Path(file).parent.name or (self.text or self._name).replace(" ", "_")
            text = self.text or texts.get(category, category.replace("_", " "))
            items.append(ClipItem(clip_key(category, Path(file).stem), split, category, text, file))
        if not items:
            raise ShardsError(
                f"No media files under {self.root}. Put clips into one folder a class, such as {self.root}/dog_barking/"
                f"1.mp4; known endings are {', '.join(sorted(MEDIA_SUFFIXES))}."
            )
        return unique(items)

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Look at the file as it is; it goes into the shards byte for byte."""
        return examined(self.root / item.origin, Limits(self.minimum_seconds, self.minimum_fps))

    def describe(self) -> dict[str, Any]:
        """The folder and how it is split."""
        return {"source": "folder", **chosen(self, ("test_share", "minimum_seconds")), "path": self._name}

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
        lists = [(split, Path(self.path) / f"{split}.txt") for split in SPLITS]
        if not any(path.is_file() for _, path in lists):
            return [self._placed(path) for path in media_files(self.root, MEDIA_SUFFIXES) if self._is_clip(path)]
        files = []
        for split, path in lists:
            lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
            named = [line.strip() for line in lines if line.strip()]
            if path.is_file() and not named:
                raise ShardsError(f"The list {path} is empty. Name one <class>/<file> a line, or delete it.")
            for name in named:
                if not fnmatch(name, self.pattern):
                    name = self.pattern.replace("*", name, 1)
                below = self.root / split / name
                files.append((split, f"{split}/{name}" if below.is_file() else name))
        return files

    def _is_clip(self, path: Path) -> bool:
        return path.suffix.lower() in MEDIA_SUFFIXES and fnmatch(path.name, self.pattern)

    def _placed(self, path: Path) -> tuple[str, str]:
        """The split of a file that no list names: its folder says, or its name decides."""
        file = path.relative_to(self.root)
        if len(file.parts) > 2 and file.parts[0] in SPLITS:
            return file.parts[0], str(file)
        return split_by_chance(str(file), self.test_share), str(file)
