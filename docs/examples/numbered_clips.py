"""A folder of numbered recordings, each with a JSON file beside it, as a source of clips.

An example of a source of one's own; docs/extend.md tells how it is used.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asva_lightning.data import ClipItem, ClipSource, MadeClip
from asva_lightning.data.media_file import Limits, examined
from asva_lightning.data.sources import SPLITS, clip_key, split_by_chance, unique
from asva_lightning.errors import ShardsError


@dataclass(frozen=True)
class NumberedClips(ClipSource):
    """``0001.mp4`` beside ``0001.json``, which says ``{"text": "dog barking", ...}``.

    ``split`` in the JSON file may be ``train``, ``validation`` or ``test``; without it a share of the clips becomes the
    test split. Everything else that the file says is kept with the clip in the shards.

    Args:
        path: The folder.
        test_share: Share of clips that are kept for testing where the JSON file does not say.
        minimum_seconds: Shorter clips are left out.
    """

    path: str
    test_share: float = 0.1
    minimum_seconds: float = Limits.seconds

    def items(self) -> list[ClipItem]:
        """All clips, in the order of their numbers.

        Raises:
            ShardsError: If there are none, or a JSON file is missing, or says no text or an unknown split.
        """
        files = sorted(Path(self.path).glob("*.mp4"))
        if not files:
            raise ShardsError(f"There is no mp4 file in {self.path}. Give the folder that holds 0001.mp4.")
        return unique(self._item(file) for file in files)

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Look at the file, which is taken as it is; what cannot be used is a MediaError, and left out."""
        file = Path(self.path) / item.origin
        known = {name: value for name, value in _about(file).items() if name not in ("text", "split")}
        return replace(examined(file, Limits(self.minimum_seconds)), extra=known)

    def describe(self) -> dict[str, Any]:
        """What identifies this set of clips: a build that was begun with other settings is not continued."""
        return {
            "source": "numbered clips",
            "path": Path(self.path).name,
            "test_share": self.test_share,
            "minimum_seconds": self.minimum_seconds,
        }

    def _item(self, file: Path) -> ClipItem:
        about = _about(file)
        text = about["text"]
        category = text.replace(" ", "_")
        split = about.get("split") or split_by_chance(file.stem, self.test_share)
        if split not in SPLITS:
            raise ShardsError(f"{file.with_suffix('.json')} has the split {split!r}, not {', '.join(SPLITS)}.")
        return ClipItem(clip_key(category, file.stem), split, category, text, origin=file.name)


def _about(file: Path) -> dict[str, Any]:
    """What the JSON file beside a clip says."""
    beside = file.with_suffix(".json")
    try:
        about: dict[str, Any] = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShardsError(f"{beside} cannot be read: {error}. Write what {file.name} shows into it as JSON.") from error
    if not about.get("text"):
        raise ShardsError(f'{beside} does not say what {file.name} shows. Add "text", such as "dog barking".')
    return about
