"""The true clips that generated ones are compared with: a folder of files, or shards."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asva_lightning.data.clips import open_member
from asva_lightning.data.manifest import DATASET_FILE, SampleRecord
from asva_lightning.data.media_folder import MediaFolder
from asva_lightning.data.mixture import BareShards, is_tar, open_shards
from asva_lightning.data.storage import is_remote
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import probe
from asva_lightning.media.container import Source


@dataclass(frozen=True)
class Reference:
    """One true clip, whole.

    Args:
        key: Unique name, ``<category>/<name>`` without dots.
        text: Class text.
        place: The file, or the sample of a shard.
    """

    key: str
    text: str
    place: str | SampleRecord

    @classmethod
    def of(cls, sample: SampleRecord) -> "Reference":
        """The clip of a sample of a shard."""
        return cls(sample.key, sample.text, sample)

    @property
    def category(self) -> str:
        """Class name."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """Name within its class."""
        return self.key.partition("/")[2]

    @property
    def seconds(self) -> float:
        """Length in which there are both picture and sound.

        Raises:
            MediaError: If the file cannot be read.
        """
        return probe(self.place).seconds if isinstance(self.place, str) else self.place.seconds

    def open(self) -> Source:
        """The media file, to be read by the functions of ``media``.

        Raises:
            MediaError: If the shard cannot be read.
        """
        return self.place if isinstance(self.place, str) else open_member(self.place)

    def fingerprint(self) -> str:
        """SHA-256 of the media file.

        Raises:
            MediaError: If the file cannot be read.
        """
        if isinstance(self.place, SampleRecord):
            return self.place.sha256 or hashlib.sha256(open_member(self.place).getbuffer()).hexdigest()
        try:
            with open(self.place, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise MediaError(self.place, f"cannot be read: {error.strerror}.") from error


def open_references(reference: str, split: str = "test") -> list[Reference]:
    """The true clips of a split.

    Args:
        reference: What ``data.shards`` of a recipe may be, or a folder of media files. AVSync15's layout is understood;
            without lists and split folders all files of a folder are taken.
        split: Which split.

    Returns:
        The clips, in the order of the manifest or the lists.

    Raises:
        ShardsError: If there are none, or the shards are damaged.
        ConfigurationError: If the shards have no manifest, or the folder has lists but no such split.
    """
    if is_remote(reference) or is_tar(reference) or (Path(reference) / DATASET_FILE).is_file():
        opened = open_shards(reference)
        if isinstance(opened, BareShards):
            raise ConfigurationError(
                f"{opened.shards[0]} has no manifest, so its clips have no names to be matched by. Build shards with "
                "`python -m asva_lightning shards build`, or give a folder of files."
            )
        return [Reference.of(sample) for sample in opened.samples(split)]
    folder = MediaFolder(reference, test_share=0.0)
    items = folder.items()
    splits = sorted({item.split for item in items})
    if splits != ["train"]:  # where nothing says which split a file is of, all are called so
        items = [item for item in items if item.split == split]
    if not items:
        raise ConfigurationError(
            f"{reference} has no clip in the split {split!r}, only in {', '.join(splits)}. Set --split to one of these."
        )
    return [Reference(item.key, item.text, str(folder.root / item.origin)) for item in items]


def digest(references: Sequence[Reference]) -> str:
    """A hash of what the true clips are called and hold, whatever their order."""
    lines = sorted(f"{reference.key} {reference.fingerprint()}" for reference in references)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
