"""The manifest: which samples there are, in which shard, and at which byte."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Dataset:
    """A folder of shards and what its ``dataset.json`` says of it."""

    folder: Path
    description: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> "Dataset":
        """Read the description of a folder of shards.

        Raises:
            ShardsError: If there is none, or it is of another layout.
        """
        folder = Path(folder)
        path = folder / DATASET_FILE
        if not path.is_file():
            raise ShardsError(
                f"No shards in {folder}: {path} is missing. Make them with `python -m asva_lightning shards build "
                f"CLIPS {folder}`, point --data.shards at another folder, or start with experiments/quickstart.yaml, "
                "which makes its own."
            )
        description = _parse(path.read_text(encoding="utf-8"), path)
        if description.get("layout") != LAYOUT:
            raise ShardsError(f"{path} is of layout {description.get('layout')!r}, not {LAYOUT!r}. Build it again.")
        missing = [name for name in ("made_from", "splits") if not isinstance(description.get(name), dict)]
        if missing:
            raise ShardsError(f"{path} is damaged: it has no {' and no '.join(missing)}. Build the shards again.")
        return cls(folder, description)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.description["splits"])

    def samples(self, split: str) -> list[SampleRecord]:
        """The samples of a split, in the order of the manifest.

        Raises:
            ShardsError: If there is no such split, it is empty, a line is damaged, or a shard is missing.
        """
        path = self.folder / f"{split}.jsonl"
        if split not in self.splits or not path.is_file():
            raise ShardsError(
                f"{self.folder} has no split {split!r}, only {', '.join(self.splits) or 'none'}. "
                "Choose one of these, or build the shards again from clips that have that split."
            )
        # Texts may hold characters that splitlines takes for the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")
        samples = [_record(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]
        if not samples:
            raise ShardsError(f"The split {split!r} of {self.folder} is empty. Build it again from more clips.")
        for shard in sorted({sample.shard for sample in samples}):
            if not (self.folder / shard).is_file():
                raise ShardsError(f"Shard {self.folder / shard} is missing, although {path} names it. Build it again.")
        return samples


def write_split(folder: Path, split: str, samples: Iterable[SampleRecord]) -> None:
    """Write the manifest of a split."""
    lines = [json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples]
    (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write ``dataset.json``."""
    text = json.dumps({"layout": LAYOUT, **description}, indent=1, ensure_ascii=False)
    (folder / DATASET_FILE).write_text(text + "\n", encoding="utf-8")


def _record(line: str, path: Path, number: int) -> SampleRecord:
    try:
        record = SampleRecord(**json.loads(line))
    except (json.JSONDecodeError, TypeError) as error:
        raise ShardsError(f"{path}, line {number} is not a sample: {error}. Build the shards again.") from error
    if Path(record.shard).name != record.shard:
        raise ShardsError(f"{path}, line {number} names a shard outside its folder: {record.shard!r}.")
    return record


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ShardsError(f"{path} is damaged: {error}. Build the shards again.") from error
    if not isinstance(value, dict):
        raise ShardsError(f"{path} is damaged: it holds no JSON object. Build the shards again.")
    return value
