"""Looking for everything that can be wrong with shards: bytes, samples, duplicates and classes."""

import base64
import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asva_lightning.data.clips import open_member
from asva_lightning.data.duplicates import Fingerprint, same_pictures, same_sounds
from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.fingerprints import HASH_BITS, HASH_SIDE, HASHES_A_SECOND, picture_hashes, sound_prints
from asva_lightning.data.lint_latents import inspect_latents
from asva_lightning.data.manifest import SampleRecord, is_member
from asva_lightning.data.mixture import Mixture
from asva_lightning.data.storage import open_file
from asva_lightning.errors import MediaError, ShardsError
from asva_lightning.media import ClipFormat, probe, read_frames, read_sound
from asva_lightning.worklist import work

SHORTER = 0.1
"""By so many seconds picture and sound may fall short of what the manifest says."""
LONGEST = 600.0
"""So many seconds of a sample are looked at. A damaged time stamp may claim days of silence, which fill the memory."""
UNEVEN = 10
"""The largest class of a split has at most so many times the clips of the smallest."""


@dataclass(frozen=True)
class Placed:
    """A sample and the split that it belongs to.

    Args:
        split: The split.
        sample: The sample.
        sample_rate: Samples a second of the sound beside its latents, where it holds latents.
    """

    split: str
    sample: SampleRecord
    sample_rate: int | None = None

    @property
    def name(self) -> str:
        """What to call it: different for each, also where data sets share keys."""
        return f"{self.split} {self.sample.key} in {self.sample.address}"


@dataclass(frozen=True)
class Pair:
    """Two clips that share a recording.

    Args:
        one: Split, key and shard of the first.
        two: Of the second.
        across: Whether they belong to different splits.
        picture: How many of 63 bits of their pictures differ on average; nothing if the pictures differ.
        sound: Which share of the bits of their sounds differs; nothing if the sounds differ.
    """

    one: str
    two: str
    across: bool
    picture: float | None
    sound: float | None


@dataclass
class LintReport:
    """What is wrong, and what is to be looked at.

    Args:
        clips: Number of clips of each class by split.
        faults: Sample or shard to what is wrong with it.
        duplicates: Pairs that share their sound, or sound and picture.
        look_alikes: Pairs that share the picture only: cut from one recording, or filmed in one place.
        notes: What is to be looked at and may be meant.
    """

    clips: dict[str, dict[str, int]]
    faults: dict[str, str] = field(default_factory=dict)
    duplicates: list[Pair] = field(default_factory=list)
    look_alikes: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 if something is wrong."""
        return 1 if self.faults or self.duplicates else 0

    def to_json(self) -> dict[str, Any]:
        """The report for other programs."""
        return {"wrong": bool(self.exit_code), **asdict(self)}

    @property
    def text(self) -> str:
        """The report for a terminal."""
        lines = []
        for split, classes in self.clips.items():
            lines.append(f"{split}: {sum(classes.values())} clips of {len(classes)} classes")
            lines += [f"  {count:6d}  {name}" for name, count in sorted(classes.items())]
        lines.append(f"faults: {len(self.faults)}")
        lines += [f"  {name}: {reason}" for name, reason in self.faults.items()]
        for title, pairs in (("duplicates", self.duplicates), ("look alike", self.look_alikes)):
            across = sum(pair.across for pair in pairs)
            lines.append(f"{title}: {len(pairs)}, {across} of them across splits")
            lines += [f"  {pair.one} = {pair.two} ({_likeness(pair)})" for pair in pairs]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, "something is wrong" if self.exit_code else "nothing is wrong"])


def lint(opened: Mixture, workers: int = 1, journal: Path | None = None) -> LintReport:
    """Look at every shard and every sample.

    The pictures of latents are not compared, as there are none, and their sounds only where they are at the rate of
    those of media files. The report says so.

    Args:
        opened: The shards.
        workers: Processes.
        journal: Where to keep what is done, so that a second start goes on.
    """
    found = {dataset.folder: EncodedShards.of(dataset) for dataset in opened.datasets}
    encoded = {folder: entry.sample_rate for folder, entry in found.items() if entry is not None}
    placed = [
        Placed(split, sample, encoded.get(sample.folder)) for split in opened.splits for sample in opened.samples(split)
    ]
    report = LintReport(
        {split: dict(Counter(p.sample.category for p in placed if p.split == split)) for split in opened.splits}
    )
    outcome = work(
        placed, inspect, key=lambda item: item.name, title="samples", journal=journal, workers=workers,
        settings={"shards": opened.name, "checks": 1},
    )  # fmt: skip
    report.faults.update(_shard_faults(placed))
    report.faults.update(_key_faults(placed))
    report.faults.update(outcome.failures)
    _look_at_classes(report, placed)
    report.notes += [_not_compared(folder, rate) for folder, rate in encoded.items()]
    good = [item for item in placed if item.name in outcome.results]
    _look_for_duplicates(report, good, [_fingerprint(outcome.results[item.name]) for item in good])
    return report


def inspect(item: Placed) -> dict[str, Any]:
    """Read a sample, a media file for at most :data:`LONGEST` seconds, and take its fingerprint.

    Raises:
        ShardsError: If it cannot be read, or is not what the manifest says.
    """
    if item.sample_rate is None:
        hashes, prints = _inspect_media(item.sample)
    else:
        hashes = np.zeros((0, HASH_BITS), bool)
        prints = inspect_latents(item.sample, item.sample_rate, LONGEST)
    return {
        "hashes": base64.b64encode(np.packbits(hashes, axis=1).tobytes()).decode(),
        "prints": base64.b64encode(prints.astype("<i8").tobytes()).decode(),
    }


def _inspect_media(sample: SampleRecord) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    try:
        media = open_member(sample)
        if sample.sha256 and hashlib.sha256(media.getvalue()).hexdigest() != sample.sha256:
            raise ShardsError("its bytes are not those of the checksum: the shard was changed or is damaged")
        info = probe(media)
        if info.seconds < sample.seconds - SHORTER:
            raise ShardsError(
                f"picture and sound overlap for {info.seconds:.2f} s, but the manifest says {sample.seconds:.2f} s"
            )
        last = max(0.0, min(LONGEST, info.picture_seconds) - 1 / max(info.fps, 1.0))
        times = [*np.arange(0, last, 1 / HASHES_A_SECOND).tolist(), last]
        hashes = picture_hashes(read_frames(media, times, HASH_SIDE, HASH_SIDE))
        prints = sound_prints(read_sound(media, seconds=min(LONGEST, info.sound_seconds)), ClipFormat.sample_rate)
    except MediaError as error:
        raise ShardsError(error.reason) from error  # the name of the item says which
    return hashes, prints


def _fingerprint(result: dict[str, Any]) -> Fingerprint:
    packed = np.frombuffer(base64.b64decode(result["hashes"]), np.uint8).reshape(-1, 8)
    prints = np.frombuffer(base64.b64decode(result["prints"]), "<i8").astype(np.int64)
    return Fingerprint(np.unpackbits(packed, axis=1, count=HASH_BITS).astype(bool), prints)


def _shard_faults(placed: Sequence[Placed]) -> dict[str, str]:
    """What is wrong with the tars themselves: names that lead out of a folder, and places that are not as listed."""
    listed: dict[str, dict[str, tuple[int, int]]] = {}
    for item in placed:
        sample = item.sample
        members = listed.setdefault(sample.address, {})
        members[f"{sample.key}.{sample.media}"] = (sample.offset, sample.size)
    return {shard: fault for shard, members in listed.items() if (fault := _tar_fault(shard, members))}


def _tar_fault(shard: str, listed: dict[str, tuple[int, int]]) -> str:
    try:
        members = _members(shard)
    except (tarfile.TarError, OSError, ValueError) as error:  # a header of a sparse file may hold any text for a number
        return f"is no whole tar: {error}"
    names = Counter(member.name for member in members)
    strange = sorted(repr(name) for name in names if not is_member(name))
    if strange:
        return f"has members that are no <category>/<name>.<ending>: {', '.join(strange[:5])}"
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        return f"has members twice: {', '.join(twice[:5])}"
    places = {member.name: (member.offset_data, member.size) for member in members}
    moved = sorted(name for name, place in listed.items() if places.get(name) != place)
    return f"holds {', '.join(moved[:5])} not where the manifest says" if moved else ""


def _members(shard: str) -> list[tarfile.TarInfo]:
    members = []
    with open_file(shard) as file, tarfile.open(fileobj=_seekable(file), mode="r:") as archive:
        for member in archive:
            if member.size < 0:  # what follows it would be what came before, without end
                raise tarfile.ReadError(f"{member.name!r} has a negative size")
            members.append(member)
    return members


def _seekable(file: Any) -> Any:
    return file if file.seekable() else io.BytesIO(file.read())


def _key_faults(placed: Sequence[Placed]) -> dict[str, str]:
    """Keys that stand in several splits of one data set."""
    splits: dict[tuple[str, str], list[str]] = {}
    for item in placed:
        splits.setdefault((item.sample.folder, item.sample.key), []).append(item.split)
    return {
        f"{key} in {folder}": f"belongs to {' and '.join(found)}; a key is unique"
        for (folder, key), found in splits.items()
        if len(found) > 1
    }


def _not_compared(folder: str, sample_rate: int) -> str:
    sounds = "" if sample_rate == ClipFormat.sample_rate else f", nor are its sounds, at {sample_rate} samples a second"
    return (
        f"{folder} holds latents: duplicates of pictures are not looked for{sounds}. Lint the shards that it was "
        "encoded from as well"
    )


def _look_at_classes(report: LintReport, placed: Sequence[Placed]) -> None:
    for split, classes in report.clips.items():
        if classes and max(classes.values()) > UNEVEN * min(classes.values()):
            few, many = min(classes, key=lambda name: classes[name]), max(classes, key=lambda name: classes[name])
            report.notes.append(f"{split} is uneven: {classes[many]} clips of {many}, {classes[few]} of {few}")
        unknown = sorted(classes.keys() - report.clips.get("train", classes).keys())
        if unknown:
            report.faults[split] = f"has classes that train lacks: {', '.join(unknown)}"
    texts: dict[str, set[str]] = {}
    for item in placed:
        texts.setdefault(item.sample.category, set()).add(item.sample.text)
    report.notes += [f"{name} has several texts: {sorted(found)}" for name, found in texts.items() if len(found) > 1]


def _look_for_duplicates(report: LintReport, placed: Sequence[Placed], prints: Sequence[Fingerprint]) -> None:
    pictures, sounds = same_pictures(prints), same_sounds(prints)
    for one, two in sorted(pictures.keys() | sounds.keys()):
        first, second = placed[one], placed[two]
        across = first.split != second.split
        pair = Pair(first.name, second.name, across, pictures.get((one, two)), sounds.get((one, two)))
        (report.look_alikes if pair.sound is None else report.duplicates).append(pair)


def _likeness(pair: Pair) -> str:
    parts = [] if pair.picture is None else [f"picture: {pair.picture:.1f} of {HASH_BITS} bits differ"]
    return "; ".join([*parts, *([] if pair.sound is None else [f"sound: {pair.sound:.1%} of the bits differ"])])
