"""The manifest: which samples there are, in which shard, and at which byte."""

import json
import reprlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asva_lightning.data.storage import check_address, exists, join, missing, read_text
from asva_lightning.data.stored_tensor import StoredTensor, fault_of_sample, stored
from asva_lightning.errors import ShardsError

DATASET_FILE = "dataset.json"
LAYOUT = "asva-shards/1"


@dataclass(frozen=True)
class SampleRecord:
    """One sample of a split, a line of ``<split>.jsonl``.

    Args:
        key: Unique name.
        shard: File name of the shard, beside the manifest.
        media: Extension of the member that holds picture and sound.
        offset: Where that member's bytes start in the shard.
        size: How many bytes they are.
        text: Class text.
        category: Class name.
        seconds: Length in which there are both picture and sound.
        fps: Frames a second of the source.
        extra: Whatever else the source knows (times of events, boxes of objects).
        sha256: Checksum of those bytes, in hexadecimal digits; empty in manifests that do not have it.
        tensors: Where each tensor lies in the shard, of samples that hold latents in place of a media file.
        folder: Where the manifest was read; not written into it.
    """

    key: str
    shard: str
    media: str
    offset: int
    size: int
    text: str
    category: str
    seconds: float
    fps: float
    extra: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    tensors: Mapping[str, StoredTensor] = field(default_factory=dict)
    folder: str = field(default="", compare=False)

    @property
    def address(self) -> str:
        """Where the shard is."""
        return join(self.folder, self.shard) if self.folder else self.shard


@dataclass(frozen=True)
class Dataset:
    """A folder of shards and what its ``dataset.json`` says of it.

    Args:
        folder: Where it is: a path or an address.
        description: What ``dataset.json`` says.
        only: Names of the shards to which this view of the folder is limited; all if not given.
    """

    folder: str
    description: Mapping[str, Any]
    only: frozenset[str] | None = None

    @classmethod
    def open(cls, folder: str | Path, only: Iterable[str] | None = None) -> "Dataset":
        """Read the description of a folder of shards.

        Args:
            folder: A path, or an address such as ``s3://bucket/clips``.
            only: Names of shards to which to keep.

        Raises:
            ShardsError: If there is none, or it is of another layout.
            ConfigurationError: If nobody here serves such addresses.
        """
        folder = str(folder)
        check_address(folder)
        path = join(folder, DATASET_FILE)
        if not exists(path):
            raise ShardsError(
                f"No shards in {folder}: {path} is missing. Make them with `python -m asva_lightning shards build "
                f"CLIPS {folder}` (latents of shards that you have: `shards encode`), point --data.shards at another "
                "folder, or start with experiments/quickstart.yaml, which makes its own."
            )
        description = _parse(read_text(path), path)
        if description.get("layout") != LAYOUT:
            raise ShardsError(f"{path} is of layout {description.get('layout')!r}, not {LAYOUT!r}. Build it again.")
        lacking = [name for name in ("made_from", "splits") if not isinstance(description.get(name), dict)]
        if lacking:
            raise ShardsError(f"{path} is damaged: it has no {' and no '.join(lacking)}. Build the shards again.")
        strange = [name for name in description["splits"] if "/" in name]
        if strange:
            raise ShardsError(f"{path} names a split outside its folder: {strange[0]!r}.")
        texts = description.get("texts", {})
        if not (isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values())):
            raise ShardsError(f"{path} is damaged: `texts` is no object of texts. Build the shards again.")
        return cls(folder, description, None if only is None else frozenset(only))

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits; of those that a view is limited to, where it is."""
        names = tuple(self.description["splits"])
        return names if self.only is None else tuple(name for name in names if self._records(name))

    def samples(self, split: str) -> list[SampleRecord]:
        """The samples of a split, in the order of the manifest.

        Raises:
            ShardsError: If there is no such split, it is empty, a line is damaged, two samples share a key, a shard is
                missing, or there are more or fewer samples than ``dataset.json`` counts.
        """
        path = join(self.folder, f"{split}.jsonl")
        if split not in self.splits or not exists(path):
            raise ShardsError(
                f"{self.folder} has no split {split!r}, only {', '.join(self.splits) or 'none'}. "
                "Choose one of these, or build the shards again from clips that have that split."
            )
        samples = self._records(split)
        if not samples:
            raise ShardsError(f"The split {split!r} of {self.folder} is empty. Build it again from more clips.")
        key, count = Counter(sample.key for sample in samples).most_common(1)[0]
        if count > 1:
            raise ShardsError(f"{path} names {count} samples {key!r}; a key is unique. Build the shards again.")
        for shard in missing(self.folder, sorted({sample.shard for sample in samples})):
            raise ShardsError(f"Shard {join(self.folder, shard)} is missing, although {path} names it. Build it again.")
        counted = self.description["splits"][split]
        if self.only is None and len(samples) != counted:
            raise ShardsError(
                f"{path} names {len(samples)} samples, but {DATASET_FILE} counts {reprlib.repr(counted)}: one of them "
                "was changed, or copied in part. Copy the folder again, or build the shards again."
            )
        return samples

    def _records(self, split: str) -> list[SampleRecord]:
        """The lines of a manifest that belong to this view."""
        path = join(self.folder, f"{split}.jsonl")
        # Texts may hold characters that splitlines takes for the end of a line.
        lines = read_text(path).split("\n")
        records = (self._record(line, path, number) for number, line in enumerate(lines, start=1) if line.strip())
        return [record for record in records if self.only is None or record.shard in self.only]

    def _record(self, line: str, path: str, number: int) -> SampleRecord:
        try:
            read = json.loads(line)
            if not isinstance(read, dict) or not read.keys() <= _NAMES:
                raise TypeError(
                    f"unknown fields {sorted(read.keys() - _NAMES)}" if isinstance(read, dict) else "no JSON object"
                )
            record = SampleRecord(**read, folder=self.folder)
            fault = _fault(record) or _fault_of_tensors(record, self.description.get("encoded"))
        except (ValueError, TypeError, RecursionError) as error:  # numbers may be too long, lists in lists too deep
            raise ShardsError(f"{path}, line {number} is not a sample: {error}. Build the shards again.") from error
        if fault:
            raise ShardsError(f"{path}, line {number} {fault}.")
        tensors = {name: stored(described) for name, described in read.get("tensors", {}).items()}
        return replace(record, tensors=tensors)


def write_split(folder: Path, split: str, samples: Iterable[SampleRecord]) -> None:
    """Write the manifest of a split."""
    lines = []
    for sample in samples:
        line = asdict(sample)
        del line["folder"]
        if not sample.tensors:
            del line["tensors"]
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write ``dataset.json``."""
    text = json.dumps({"layout": LAYOUT, **description}, indent=1, ensure_ascii=False)
    (folder / DATASET_FILE).write_text(text + "\n", encoding="utf-8")


_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("key", "shard", "media", "text", "category", "sha256"), str),
    **dict.fromkeys(("offset", "size"), int),
    **dict.fromkeys(("seconds", "fps"), (int, float)),
    **dict.fromkeys(("extra", "tensors"), dict),
}
_NAMES = {kept.name for kept in fields(SampleRecord)} - {"folder"}
_LAST_BYTE = 2**63 - 1
"""The last place in a file that can be asked for."""


def _fault(record: SampleRecord) -> str:
    """What is wrong with the values of a record; empty if nothing is."""
    for name, kind in _KINDS.items():
        value = getattr(record, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"is not a sample: {name} is {reprlib.repr(value)}. Build the shards again"
    if Path(record.shard).name != record.shard:
        return f"names a shard outside its folder: {record.shard!r}"
    if not is_key(record.key):
        return f"has the key {record.key!r}, which is not <category>/<name> without dots. Build the shards again"
    if record.offset < 0 or record.size < 0 or record.offset + record.size > _LAST_BYTE:
        return f"places its media at byte {record.offset}, {record.size} bytes long. Build the shards again"
    if not all(0 <= value <= sys.float_info.max for value in (record.seconds, record.fps)):  # which NaN is not either
        return f"is not a sample: seconds {record.seconds}, fps {record.fps}. Build the shards again"
    return ""


def _fault_of_tensors(record: SampleRecord, encoded: Any) -> str:
    """What is wrong with the tensors of a record, given what ``dataset.json`` says of them; empty if nothing is."""
    if encoded is None and not record.tensors:
        return ""
    if encoded is None:
        return f"names tensors, but {DATASET_FILE} has no entry `encoded`. Encode the shards again"
    audio = isinstance(encoded, dict) and encoded.get("audio_step") is not None
    fault = fault_of_sample(record.tensors, record.offset, record.size, audio)
    return f"{fault}. Encode the shards again" if fault else ""


def is_key(key: str) -> bool:
    """Whether a text is a key: ``<category>/<name>`` without dots, so never a way out of a folder."""
    category, slash, name = key.partition("/")
    return (
        bool(category and slash and name)
        and not set("./\\\0") & set(name)
        and not set(".\\\0") & set(category)
        and not any("\ud800" <= letter <= "\udfff" for letter in key)  # what Python makes of bytes that are no UTF-8
    )


def is_member(name: str) -> bool:
    """Whether a name in a tar is that of a sample's file: a key, then an ending that leads nowhere."""
    key, _, ending = name.partition(".")
    return is_key(key) and "/" not in ending


def _parse(text: str, path: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ShardsError(f"{path} is damaged: {error}. Build the shards again.") from error
    if not isinstance(value, dict):
        raise ShardsError(f"{path} is damaged: it holds no JSON object. Build the shards again.")
    return value
