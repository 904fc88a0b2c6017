"""Reading clips out of shards by position: random crops of a training stream, or a fixed list."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Protocol

from torch.utils.data import Dataset as TorchDataset

from asva_lightning.data.batch import BadClip, ClipBatch, ClipSample
from asva_lightning.data.encoded_clip import EncodedClip, read_encoded
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.order import sample_at, substitute_at
from asva_lightning.data.quarantine import Quarantine
from asva_lightning.data.randomness import Purpose, numpy_generator
from asva_lightning.data.storage import read_bytes
from asva_lightning.data.watchdog import note_done, note_reading
from asva_lightning.errors import MediaError
from asva_lightning.media import Clip, ClipFormat, read_clip

MAX_ATTEMPTS = 10
"""So many bad clips in a row mean that the data, not a clip, is at fault."""

MOST_SUBSTITUTES = 1000
"""So many substitutes are looked for where most of the clips are in quarantine."""

LARGEST = 2**30
"""Bytes of the largest media file that is read into memory."""


class MemberBytes(io.BytesIO):
    """The bytes of a shard's member, with a name for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


@dataclass(frozen=True)
class ClipReader:
    """Reads clips of one format out of shards.

    Args:
        format: What a clip is.
        audio_step: Seconds from one start with known audio tokens to the next, where clips are to come with them.
    """

    format: ClipFormat
    audio_step: float | None = None

    def start(self, sample: SampleRecord, share: float) -> float:
        """Where a clip starts in a sample, in seconds.

        Args:
            sample: The sample.
            share: From 0, the first start that there is, to 1, the last; in between every start is as likely.
        """
        if self.audio_step is None:
            return share * max(0.0, sample.seconds - self.format.seconds)
        starts = max(1, sample.tensors["audio"].shape[0])
        return min(int(share * starts), starts - 1) * self.audio_step

    def read(self, sample: SampleRecord, start: float, position: int, flip: bool = False) -> ClipSample:
        """Read the clip that starts ``start`` seconds into a sample.

        Raises:
            MediaError: If the bytes are not there or are no such clip.
        """
        note_reading(f"{sample.key} in {sample.address}")
        try:
            if sample.tensors:
                clip: Clip | EncodedClip = read_encoded(sample, self.format, start, flip, self.audio_step)
            else:
                clip = read_clip(open_member(sample), self.format, start)
        finally:
            note_done()
        about = sample.text, sample.category, sample.key, position, start
        if isinstance(clip, EncodedClip):
            return ClipSample(None, clip.waveform, *about, latents=clip.latents, audio=clip.audio)
        return ClipSample(clip.pixels.flip(-1) if flip else clip.pixels, clip.waveform, *about)


def open_member(sample: SampleRecord) -> MemberBytes:
    """The media file of a sample, in memory.

    Raises:
        MediaError: If the shard cannot be read, ends before the sample does, or the file is gigantic.
    """
    name = f"{sample.address}:{sample.key}.{sample.media}"
    if sample.tensors:
        raise MediaError(name, "holds latents, no picture and sound; look at the shards that these were encoded from")
    if sample.size > LARGEST:
        raise MediaError(name, f"is {sample.size / 2**30:.1f} GiB large, more than 1 GiB; cut it into clips")
    try:
        content = read_bytes(sample.address, sample.offset, sample.size)
    except OSError as error:
        raise MediaError(name, f"the shard cannot be read ({error})") from error
    if len(content) < sample.size:
        raise MediaError(name, "the shard ends before this sample does; it is truncated")
    return MemberBytes(content, name)


@dataclass(frozen=True)
class NoGoodClip:
    """Stands for a clip where every attempt met a bad one."""

    bad: tuple[BadClip, ...]


class Positions(Protocol):
    """What a loader asks for clips."""

    def __getitem__(self, position: int) -> ClipSample | NoGoodClip: ...


@dataclass(frozen=True)
class TrainingClips(TorchDataset[ClipSample | NoGoodClip]):
    """An endless stream of random crops; what stands at a position is a function of (seed, position).

    Args:
        reader: Reads clips.
        samples: The samples of the split.
        seed: Seed of the order, crops and flips.
        flip: Share of clips that are mirrored.
        quarantine: Clips that are not opened.
    """

    reader: ClipReader
    samples: Sequence[SampleRecord]
    seed: int
    flip: float = 0.5
    quarantine: Quarantine = field(default_factory=Quarantine)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of samples of each shard, in the order of the samples."""
        return tuple(len(list(group)) for _, group in groupby(self.samples, lambda sample: sample.address))

    def __getitem__(self, position: int) -> ClipSample | NoGoodClip:
        bad: list[BadClip] = []
        for attempt in range(MOST_SUBSTITUTES):
            sample = self.samples[self._index(position, attempt)]
            if sample in self.quarantine:
                continue
            random = numpy_generator(self.seed, Purpose.CROP, position, attempt)
            start, flip = self.reader.start(sample, random.random()), bool(random.random() < self.flip)
            try:
                return _with_bad(self.reader.read(sample, start, position, flip), bad)
            except MediaError as error:
                bad.append(BadClip(sample.address, sample.key, error.reason))
            if len(bad) == MAX_ATTEMPTS:
                break
        return NoGoodClip(tuple(bad))

    def _index(self, position: int, attempt: int) -> int:
        """Which sample to try at a position."""
        if attempt:
            return substitute_at(self.seed, position, attempt, len(self.samples))
        return sample_at(self.seed, position, self.sizes)


@dataclass(frozen=True)
class FixedClips(TorchDataset[ClipSample | NoGoodClip]):
    """The same clips every time: ``clips_per_sample`` from each sample, their starts spread evenly over it.

    A clip that cannot be read, or is in quarantine, is replaced by that of the next sample, which is not counted.

    Args:
        reader: Reads clips.
        samples: The samples of the split.
        clips_per_sample: Clips of each.
        quarantine: Clips that are not opened.
        place_of_one: Where the clip lies if it is the only one of its sample, from 0, the beginning, to 1, the end.
    """

    reader: ClipReader
    samples: Sequence[SampleRecord]
    clips_per_sample: int = 1
    quarantine: Quarantine = field(default_factory=Quarantine)
    place_of_one: float = 0.0

    def __len__(self) -> int:
        return len(self.samples) * self.clips_per_sample

    def __getitem__(self, position: int) -> ClipSample | NoGoodClip:
        number = position if position >= 0 else -1 - position
        bad: list[BadClip] = []
        for attempt in range(len(self.samples)):
            # The next sample, not the next clip: that is of the same video, and as bad.
            place = (number + attempt * self.clips_per_sample) % len(self)
            sample, turn = self.samples[place // self.clips_per_sample], place % self.clips_per_sample
            if sample in self.quarantine:
                continue
            several = self.clips_per_sample - 1
            start = self.reader.start(sample, turn / several if several else self.place_of_one)
            try:
                return _with_bad(self.reader.read(sample, start, number), bad, real=position >= 0 and attempt == 0)
            except MediaError as error:
                bad.append(BadClip(sample.address, sample.key, error.reason))
            if len(bad) == MAX_ATTEMPTS:
                break
        return NoGoodClip(tuple(bad))


def collate(clips: Sequence[ClipSample | NoGoodClip]) -> ClipBatch | NoGoodClip:
    """Put clips together, or hand on that there is none."""
    good = [clip for clip in clips if isinstance(clip, ClipSample)]
    if len(good) < len(clips):
        return next(clip for clip in clips if isinstance(clip, NoGoodClip))
    return ClipBatch.collate(good)


def _with_bad(clip: ClipSample, bad: Sequence[BadClip], real: bool = True) -> ClipSample:
    return ClipSample(**{**vars(clip), "bad": tuple(bad), "real": real})
