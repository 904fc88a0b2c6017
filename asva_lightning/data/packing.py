"""Writing clips that are ready as shards, or as a plain folder."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asva_lightning.data.manifest import SampleRecord, write_split
from asva_lightning.data.sources import ClipItem, MadeClip


def write_shards(folder: Path, items: Iterable[ClipItem], made: Mapping[str, MadeClip], samples_per_shard: int) -> None:
    """Write tars of at most so many samples, and the manifest of each split."""
    by_split: dict[str, list[ClipItem]] = {}
    for item in items:
        by_split.setdefault(item.split, []).append(item)
    for split, clips in by_split.items():
        records: list[SampleRecord] = []
        for number, start in enumerate(range(0, len(clips), samples_per_shard)):
            shard = folder / f"{split}-{number:06d}.tar"
            records += _write_shard(shard, clips[start : start + samples_per_shard], made)
        write_split(folder, split, records)


def _write_shard(shard: Path, items: Sequence[ClipItem], made: Mapping[str, MadeClip]) -> list[SampleRecord]:
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


def write_folder(folder: Path, items: Sequence[ClipItem], made: Mapping[str, MadeClip]) -> None:
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
