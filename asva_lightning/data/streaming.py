"""Clips from tars that have no manifest: read from beginning to end, again and again."""

import itertools
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from asva_lightning.data.batch import BadClip, ClipSample
from asva_lightning.data.clips import LARGEST, MAX_ATTEMPTS, MemberBytes, NoGoodClip
from asva_lightning.data.manifest import is_member
from asva_lightning.data.quarantine import Quarantine
from asva_lightning.data.randomness import Purpose, numpy_generator
from asva_lightning.data.sources import MEDIA_SUFFIXES
from asva_lightning.data.storage import open_file
from asva_lightning.data.watchdog import note_done, note_reading
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.media import ClipFormat, probe, read_clip

BUFFER = 64
"""Media files in which a worker shuffles. Together they take the memory that they take on disk."""

Raw = dict[str, Any]


@dataclass(frozen=True)
class StreamedClips(IterableDataset[ClipSample | NoGoodClip]):
    """An endless stream of random crops for one rank.

    Shards are shuffled anew for each pass and dealt out to all workers of all ranks; where there are fewer shards than
    workers, all of them read every shard and take turns with its samples. A worker shuffles within a small buffer.

    Args:
        shards: Addresses of the tars.
        format: What a clip is.
        seed: Seed of the order, crops and flips.
        flip: Share of clips that are mirrored.
        rank: This process.
        world_size: Number of processes.
        quarantine: Clips that are not opened.
        first: Samples that all ranks had consumed before; a stream that goes on is another one than that which began.
    """

    shards: tuple[str, ...]
    format: ClipFormat
    seed: int
    flip: float = 0.5
    rank: int = 0
    world_size: int = 1
    quarantine: Quarantine = field(default_factory=Quarantine)
    first: int = 0

    def __iter__(self) -> Iterator[ClipSample | NoGoodClip]:
        worker = get_worker_info()
        workers, number = (worker.num_workers, worker.id) if worker else (1, 0)
        parts, part = self.world_size * workers, self.rank * workers + number
        positions = itertools.count(self.first + part, parts)
        bad: list[BadClip] = []
        for raw in self._shuffled(part, parts):
            position = next(positions)
            clip = raw if isinstance(raw, BadClip) else self._clip(raw, position)
            if isinstance(clip, ClipSample):
                yield ClipSample(**{**vars(clip), "bad": tuple(bad)})
                bad = []
            else:
                bad.append(clip)
            if len(bad) == MAX_ATTEMPTS:
                yield NoGoodClip(tuple(bad))
                bad = []

    def _shuffled(self, part: int, parts: int) -> Iterator[Raw | BadClip]:
        """Samples of all passes that this worker takes, shuffled within the buffer."""
        random = numpy_generator(self.seed, Purpose.ORDER, self.first, 0, part)
        buffer: list[Raw | BadClip] = []
        for raw in self._passes(part, parts):
            buffer.append(raw)
            if len(buffer) == BUFFER:
                yield buffer.pop(int(random.integers(BUFFER)))

    def _passes(self, part: int, parts: int) -> Iterator[Raw | BadClip]:
        share = len(self.shards) >= parts
        met, held, barren = 0, 0, set()
        for number_of_pass in itertools.count():
            order = numpy_generator(self.seed, Purpose.ORDER, self.first, 1, number_of_pass).permutation(
                len(self.shards)
            )
            for index in order[part::parts] if share else order:
                before = met
                for raw in tar_samples(self.shards[index]):
                    if not isinstance(raw, BadClip) and self.quarantine.holds(raw["__url__"], raw["__key__"]):
                        held += 1
                        continue
                    met += 1
                    if share or met % parts == part:
                        yield raw
                if met == before:
                    barren.add(int(index))
            if len(barren) == len(self.shards):  # where shards are dealt out, a worker meets all only in some passes
                raise self._nothing_left(held)

    def _nothing_left(self, held: int) -> ShardsError | ConfigurationError:
        if held:
            return ConfigurationError(
                f"All samples of the shards {self.shards[0]} ... are in quarantine. Shorten the list, or set another "
                "--data.quarantine."
            )
        return ShardsError(
            f"The shards {self.shards[0]} ... hold no samples. A sample is a media file such as "
            "<category>/<name>.mp4, with <category>/<name>.json beside it; see shards/README.md."
        )

    def _clip(self, raw: Raw, position: int) -> ClipSample | BadClip:
        """Cut a random clip out of a sample, or say why there is none."""
        shard, key = raw["__url__"], raw["__key__"]
        random = numpy_generator(self.seed, Purpose.CROP, position)
        note_reading(f"{key} in {shard}")
        try:
            text, category = _texts(raw)
            media = _media(raw)
            seconds = probe(media).seconds
            if seconds < self.format.seconds:
                raise MediaError(key, f"is {seconds:.2f} s long, shorter than {self.format.seconds:.2f} s")
            start = random.uniform(0, seconds - self.format.seconds)
            clip = read_clip(media, self.format, start)
        except MediaError as error:
            return BadClip(shard, key, error.reason)
        finally:
            note_done()
        pixels = clip.pixels.flip(-1) if random.random() < self.flip else clip.pixels
        return ClipSample(pixels, clip.waveform, text, category, key, position, start)


def tar_samples(shard: str) -> Iterator[Raw | BadClip]:
    """The samples of a tar, as webdataset groups its members: ``__key__``, ``__url__`` and bytes by ending.

    What cannot be used comes as a :class:`BadClip`: a shard that is damaged, and members with wrong names or sizes.
    """
    from webdataset.tariterators import group_by_keys

    faults: list[BadClip] = []
    for sample in group_by_keys(_members(shard, faults)):
        yield from faults
        faults.clear()
        if any(f".{ending}" in MEDIA_SUFFIXES for ending in sample):
            yield sample
        else:
            yield BadClip(shard, sample["__key__"], "has no media file")
    yield from faults


def _members(shard: str, faults: list[BadClip]) -> Iterator[dict[str, Any]]:
    """Names and contents of those members of a tar that belong to samples."""
    names: set[str] = set()
    note_reading(shard)
    try:
        with open_file(shard) as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else every header of a large tar is kept
                if not member.isreg() or member.name.rpartition(".")[2].lower() not in _ENDINGS:
                    continue
                fault = _fault(member, names)
                if fault:
                    printable = member.name.encode("utf-8", "replace").decode()
                    faults.append(BadClip(shard, printable, fault))
                    continue
                names.add(_grouped(member.name))
                content = archive.extractfile(member)
                if content is not None:
                    yield {"fname": member.name, "data": content.read(), "__url__": shard}
                    note_reading(shard)
    except (tarfile.TarError, OSError, ValueError) as error:  # a header of a sparse file may hold any text for a number
        faults.append(BadClip(shard, "", f"the shard cannot be read any further: {error}"))


_ENDINGS = {suffix.lstrip(".") for suffix in MEDIA_SUFFIXES} | {"json", "txt"}


def _fault(member: tarfile.TarInfo, names: set[str]) -> str:
    """What is wrong with a member; empty if nothing is."""
    try:
        member.name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    if not is_member(member.name):
        return "its name is not <category>/<name>.<ending>"
    if _grouped(member.name) in names:
        return "the tar has this name twice"
    if member.size > LARGEST:
        return f"is {member.size / 2**30:.1f} GiB large, more than 1 GiB; cut it into clips"
    return ""


def _grouped(name: str) -> str:
    """The name of a member as webdataset takes it, which writes endings in lower case."""
    key, dot, ending = name.partition(".")
    return f"{key}{dot}{ending.lower()}"


def _texts(raw: Raw) -> tuple[str, str]:
    """Class text and class name of a sample, from its JSON or text, else from its key.

    Raises:
        MediaError: If they are of another form.
    """
    category = str(raw["__key__"]).partition("/")[0]
    try:
        about = json.loads(raw["json"]) if "json" in raw else {}
        text = raw["txt"].decode("utf-8").strip() if "txt" in raw else category.replace("_", " ")
    except (ValueError, RecursionError) as error:  # lists in lists may be too deep
        raise MediaError(raw["__key__"], f"its text cannot be read: {error}") from error
    if not isinstance(about, dict):
        raise MediaError(raw["__key__"], "its JSON is no object")
    text, category = about.get("text", text), about.get("category", category)
    if not (isinstance(text, str) and isinstance(category, str)):
        raise MediaError(raw["__key__"], "text and category of its JSON are no texts")
    return text, category


def _media(raw: Raw) -> MemberBytes:
    ending = next(ending for ending in raw if f".{ending}" in MEDIA_SUFFIXES)
    return MemberBytes(raw[ending], f"{raw['__url__']}:{raw['__key__']}.{ending}")
