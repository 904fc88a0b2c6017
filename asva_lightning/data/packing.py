"""Packing clips that are ready into shards, or into a plain folder: file by file, in parallel, and resumable."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from asva_lightning.data.manifest import SampleRecord, write_split
from asva_lightning.data.sources import ClipItem, MadeClip
from asva_lightning.files import replace as replace_file
from asva_lightning.worklist import work

WORTH_A_PROCESS = 256
"""Clips: to start one more process takes about as long as to pack so many."""


@dataclass(frozen=True)
class PackedFile:
    """One file of the result, and what goes into it.

    Args:
        name: The file, below the folder of the result.
        samples: The samples that it holds; where they lie in it is not known yet.
        files: The media file of each.
    """

    name: str
    samples: tuple[SampleRecord, ...]
    files: tuple[str, ...]


def pack_shards(
    unfinished: Path,
    items: Iterable[ClipItem],
    made: Mapping[str, MadeClip],
    samples_per_shard: int,
    workers: int,
    title: str,
) -> Path:
    """Write tars of at most so many samples, and the manifest of each split.

    Args:
        unfinished: The folder to work in. Tars that an earlier start finished there are kept.
        items: The clips, in order.
        made: The media file of every clip, by key.
        samples_per_shard: Most samples in one tar.
        workers: Processes at most.
        title: What the work is called in progress and messages.

    Returns:
        The folder of the shards.
    """
    by_split: dict[str, list[ClipItem]] = {}
    for item in items:
        by_split.setdefault(item.split, []).append(item)
    shards = {
        split: [
            _packed(f"{split}-{number:06d}.tar", clips[start : start + samples_per_shard], made)
            for number, start in enumerate(range(0, len(clips), samples_per_shard))
        ]
        for split, clips in by_split.items()
    }
    result, written = _write_all(unfinished, sum(shards.values(), []), write_shard, workers, title)
    for split, of_split in shards.items():
        records = [record for shard in of_split for record in written[shard.name]["samples"]]
        write_split(result, split, [SampleRecord(**record) for record in records])
    return result


def pack_folder(
    unfinished: Path, items: Sequence[ClipItem], made: Mapping[str, MadeClip], workers: int, title: str
) -> Path:
    """AVSync15's layout, and what is known of each clip in ``clips.jsonl``.

    Args:
        unfinished: The folder to work in. Files that an earlier start copied there are kept.
        items: The clips, in order.
        made: The media file of every clip, by key.
        workers: Processes at most.
        title: What the work is called in progress and messages.

    Returns:
        The folder.
    """
    names = {item.key: f"{item.key}{Path(made[item.key].path).suffix}" for item in items}
    copies = [_packed(f"videos/{names[item.key]}", [item], made) for item in items]
    result, _ = _write_all(unfinished, copies, copy_clip, workers, title)
    lists: dict[str, list[str]] = {}
    lines = []
    for item in items:
        clip, name = made[item.key], names[item.key]
        lists.setdefault(item.split, []).append(name)
        about = {"file": name, "split": item.split, "text": item.text, "seconds": clip.seconds, "fps": clip.fps}
        lines.append(json.dumps(about | dict(clip.extra), ensure_ascii=False) + "\n")
    for split, listed in lists.items():
        (result / f"{split}.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    texts = {item.category: item.text for item in items}
    (result / "class_mapping.json").write_text(json.dumps(texts, indent=1, ensure_ascii=False), encoding="utf-8")
    (result / "clips.jsonl").write_text("".join(lines), encoding="utf-8")
    return result


def write_tar(shard: Path, samples: Iterable[tuple[SampleRecord, bytes]]) -> None:
    """Write a tar of samples and the content of their media members; it is there whole, or not at all."""
    from webdataset import TarWriter

    # A fixed time, so that the same media give the same bytes.
    with replace_file(shard) as temporary, TarWriter(str(temporary), mtime=0) as writer:
        for sample, media in samples:
            about = {"text": sample.text, "category": sample.category, "seconds": sample.seconds, "fps": sample.fps}
            content = json.dumps(about | dict(sample.extra), ensure_ascii=False).encode()
            writer.write({"__key__": sample.key, sample.media: media, "json": content})


def write_shard(folder: Path, shard: PackedFile) -> dict[str, Any]:
    """Write one tar, then read off where the bytes of each member start; the samples as a manifest names them."""
    sums: list[str] = []

    def contents() -> Iterable[tuple[SampleRecord, bytes]]:
        for sample, file in zip(shard.samples, shard.files):
            media = Path(file).read_bytes()
            sums.append(hashlib.sha256(media).hexdigest())
            yield sample, media

    write_tar(folder / shard.name, contents())
    with tarfile.open(folder / shard.name) as archive:
        members = {member.name: member for member in archive.getmembers()}
    placed = [members[f"{sample.key}.{sample.media}"] for sample in shard.samples]
    records = [
        replace(sample, offset=member.offset_data, size=member.size, sha256=checksum)
        for sample, member, checksum in zip(shard.samples, placed, sums)
    ]
    return {"samples": [asdict(record) for record in records]}


def copy_clip(folder: Path, clip: PackedFile) -> dict[str, Any]:
    """Copy one media file."""
    with replace_file(folder / clip.name) as temporary:
        shutil.copyfile(clip.files[0], temporary)
    return {}


def _packed(name: str, items: Sequence[ClipItem], made: Mapping[str, MadeClip]) -> PackedFile:
    shard, samples = Path(name).name, []
    for item in items:
        clip = made[item.key]
        media = Path(clip.path).suffix.lower().lstrip(".")
        samples.append(
            SampleRecord(item.key, shard, media, 0, 0, item.text, item.category, clip.seconds, clip.fps, clip.extra)
        )
    return PackedFile(name, tuple(samples), tuple(made[item.key].path for item in items))


def _write_all(
    unfinished: Path,
    files: Sequence[PackedFile],
    write: Callable[[Path, PackedFile], dict[str, Any]],
    workers: int,
    title: str,
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Write every file that is not there yet; the folder of the result, and what writing each one told."""
    described = json.dumps([asdict(file) for file in files], sort_keys=True)
    begun = unfinished / f"packed-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    for other in unfinished.glob("packed-*"):
        if other != begun:  # begun with other clips, in another layout, or in shards of another size
            shutil.rmtree(other)
    result = begun / "result"
    result.mkdir(parents=True, exist_ok=True)
    for torn in result.rglob(".*"):  # of a process that was killed while it wrote
        torn.unlink()
    outcome = work(
        files,
        partial(write, result),
        key=lambda file: file.name,
        title=title,
        journal=begun / "journal.jsonl",
        workers=min(workers, len(files), sum(len(file.samples) for file in files) // WORTH_A_PROCESS),
    )
    outcome.check()
    return result, outcome.results
