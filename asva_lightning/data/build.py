"""Building shards, or a plain folder, from a source of clips."""

import hashlib
import json
import logging
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from asva_lightning.data.manifest import DATASET_FILE, SampleRecord, write_description, write_split
from asva_lightning.data.sources import ClipItem, ClipSource, MadeClip
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.worklist import Outcome, work

logger = logging.getLogger(__name__)

Layout = Literal["shards", "folder"]


@dataclass(frozen=True)
class BuildReport:
    """What was built and what was left out.

    Args:
        output: The folder that was made.
        counts: Clips by split.
        left_out: Key and reason of every clip that was left out.
    """

    output: Path
    counts: dict[str, int]
    left_out: list[tuple[str, str]]

    @property
    def text(self) -> str:
        """The report, for a terminal."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        lines = [f"{self.output}: {counts} clips, {len(self.left_out)} left out"]
        keys: dict[str, list[str]] = {}
        for key, reason in self.left_out:
            keys.setdefault(reason, []).append(key)
        return "\n".join(lines + [f"  {', '.join(named)}: {reason}" for reason, named in keys.items()])


def build(
    source: ClipSource, output: str | Path, layout: Layout = "shards", workers: int = 1, samples_per_shard: int = 128
) -> BuildReport:
    """Make a folder of shards, or of plain files, from a source of clips.

    Work goes on in ``<output>.partial``, and ``output`` appears at the end, complete; stopped and started again, it
    continues.

    Args:
        source: The clips.
        output: The folder to make.
        layout: ``shards`` for WebDataset tars with a manifest, ``folder`` for AVSync15's layout.
        workers: Processes.
        samples_per_shard: Most samples in one shard.

    Raises:
        ShardsError: If the output exists, or no clip is good.
        ConfigurationError: If shards would hold nothing.
    """
    if samples_per_shard < 1:
        raise ConfigurationError(f"--samples_per_shard must be at least 1, not {samples_per_shard}.")
    output = Path(output)
    if output.exists():
        raise ShardsError(f"{output} exists. Delete it or choose another name; nothing was changed.")
    unfinished = output.absolute().with_name(f"{output.name}.partial")
    items = source.items()
    (unfinished / "clips").mkdir(parents=True, exist_ok=True)
    outcome = work(
        items,
        partial(_make, source, unfinished / "clips"),
        key=lambda item: item.key,
        title=f"clips for {output}",
        journal=unfinished / "journal.jsonl",
        workers=workers,
        settings=source.describe(),
    )
    made = {key: MadeClip(**result) for key, result in outcome.results.items()}
    good = [item for item in items if item.key in made]
    if not good:
        shutil.rmtree(unfinished)
        raise ShardsError(f"No clip of {len(items)} could be used, so nothing was written.\n{outcome.summary}")
    counts = dict(Counter(item.split for item in good))
    result = unfinished / "result"
    if result.exists():  # a build was stopped while it wrote this
        shutil.rmtree(result)
    result.mkdir()
    if layout == "shards":
        _write_shards(result, good, made, samples_per_shard)
        write_description(result, _description(source, good, counts, outcome))
    else:
        _write_folder(result, good, made)
    result.rename(output)
    shutil.rmtree(unfinished)
    return BuildReport(output, counts, outcome.failures)


def _make(source: ClipSource, folder: Path, item: ClipItem) -> dict[str, Any]:
    try:
        return asdict(source.make(item, folder))
    except MediaError as error:
        # The key names the clip already, and one reason for many clips is to be told once.
        raise ShardsError(error.reason) from error


def _description(
    source: ClipSource, items: Sequence[ClipItem], counts: dict[str, int], outcome: Outcome
) -> dict[str, Any]:
    return {
        "made_from": source.describe(),
        "splits": counts,
        "texts": {item.category: item.text for item in items},
        "left_out": [{"key": key, "reason": reason} for key, reason in outcome.failures],
    }


def _write_shards(folder: Path, items: Iterable[ClipItem], made: dict[str, MadeClip], samples_per_shard: int) -> None:
    by_split: dict[str, list[ClipItem]] = {}
    for item in items:
        by_split.setdefault(item.split, []).append(item)
    for split, clips in by_split.items():
        records: list[SampleRecord] = []
        for number, start in enumerate(range(0, len(clips), samples_per_shard)):
            shard = folder / f"{split}-{number:06d}.tar"
            records += _write_shard(shard, clips[start : start + samples_per_shard], made)
        write_split(folder, split, records)


def _write_shard(shard: Path, items: Sequence[ClipItem], made: dict[str, MadeClip]) -> list[SampleRecord]:
    """Write one tar, then read off where the bytes of each member start."""
    from webdataset import TarWriter

    sums: dict[str, str] = {}
    with TarWriter(str(shard), mtime=0) as writer:  # a fixed time, so that the same media give the same bytes
        for item in items:
            clip = made[item.key]
            about = {"text": item.text, "category": item.category, "seconds": clip.seconds, "fps": clip.fps}
            content = json.dumps(about | dict(clip.extra), ensure_ascii=False).encode()
            media, extension = Path(clip.path).read_bytes(), _extension(Path(clip.path))
            sums[item.key] = hashlib.sha256(media).hexdigest()
            writer.write({"__key__": item.key, extension: media, "json": content})
    with tarfile.open(shard) as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive.getmembers()}
    records = []
    for item in items:
        clip = made[item.key]
        extension = _extension(Path(clip.path))
        offset, size = places[f"{item.key}.{extension}"]
        records.append(
            SampleRecord(
                item.key, shard.name, extension, offset, size, item.text, item.category, clip.seconds, clip.fps,
                clip.extra, sums[item.key],
            )
        )  # fmt: skip
    return records


def _write_folder(folder: Path, items: Sequence[ClipItem], made: dict[str, MadeClip]) -> None:
    """AVSync15's layout, and what is known of each clip in ``clips.jsonl``."""
    lists: dict[str, list[str]] = {}
    lines = []
    for item in items:
        clip = made[item.key]
        name = f"{item.key}{Path(clip.path).suffix}"
        target = folder / "videos" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip.path, target)
        lists.setdefault(item.split, []).append(name)
        about = {"file": name, "split": item.split, "text": item.text, "seconds": clip.seconds, "fps": clip.fps}
        lines.append(json.dumps(about | dict(clip.extra), ensure_ascii=False) + "\n")
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    texts = {item.category: item.text for item in items}
    (folder / "class_mapping.json").write_text(json.dumps(texts, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "clips.jsonl").write_text("".join(lines), encoding="utf-8")


def _extension(path: Path) -> str:
    return path.suffix.lower().lstrip(".")


def is_built(folder: str | Path) -> bool:
    """Whether a folder holds shards."""
    return (Path(folder) / DATASET_FILE).is_file()
