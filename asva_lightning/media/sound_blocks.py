"""Sound of a file in pieces that join, for files of any length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from asva_lightning.errors import MediaError
from asva_lightning.media.container import MediaFile, frame_time
from asva_lightning.media.encode import Samples
from asva_lightning.media.sound import JITTER, WARM_UP, mono


@dataclass(frozen=True)
class SoundBlock:
    """A piece of sound.

    Args:
        first: Place of its first sample, counted from where reading began.
        rate: Samples a second: the file's own.
        samples: ``(samples,)``, in [-1, 1], mixed down to mono.
    """

    first: int
    rate: int
    samples: Samples

    @property
    def seconds(self) -> float:
        """When it begins, in seconds after the place where reading began."""
        return self.first / self.rate


def sound_blocks(media: MediaFile, start: float) -> Iterator[SoundBlock]:
    """Sound from a time on to its end. Each block begins where the one before ended: holes are filled with silence.

    Args:
        media: The open file. While this is read nothing else may be read from it.
        start: Seconds on the clip clock. Where the sound begins later, so does the first block.

    Yields:
        Blocks of at most a second where the file has silence, else as long as its packets.

    Raises:
        MediaError: If the file has no sound, or it cannot be decoded.
    """
    following: int | None = None  # where the next piece of the file should be
    written: int | None = None  # where the next block has to be
    rate = 0
    for frame in media.sound_frames(start - WARM_UP):
        if rate and frame.sample_rate != rate:
            raise MediaError(media.name, f"its sound changes from {rate} to {frame.sample_rate} Hz midway.")
        rate = frame.sample_rate
        place = round(frame_time(frame) * rate) - round((media.zero + start) * rate)
        if following is not None and abs(place - following) <= JITTER * rate:
            place = following
        samples = mono(frame, media.name)
        following = place + len(samples)
        begin = 0 if written is None else written
        samples, place = samples[max(0, begin - place) :], max(begin, place)
        if not len(samples):
            continue
        if not np.isfinite(samples).all():
            raise MediaError(media.name, "its sound holds values that are not finite numbers.")
        while written is not None and written < place:
            silence = np.zeros(min(rate, place - written), np.float32)
            yield SoundBlock(written, rate, silence)
            written += len(silence)
        yield SoundBlock(place, rate, samples)
        written = place + len(samples)
