"""Encoding a file again so that training reads it quickly: smaller pictures, many keyframes, cheap sound."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.container import MediaFile, frame_time, open_media
from asva_lightning.media.crop import resize
from asva_lightning.media.decode import frame_seconds, pixel_aspect, right_angles, turned
from asva_lightning.media.encode import PictureTrack, SoundTrack
from asva_lightning.media.mp4 import Mp4
from asva_lightning.media.sound_blocks import SoundBlock, sound_blocks

TICKS = 90_000
"""Frame times are kept in units of 1 / 90000 s, in which all usual frame rates are whole numbers."""

# Without loop filter, arithmetic coding and B-frames a decoder needs half the time, for a tenth more bytes.
_FAST_TO_DECODE = {"tune": "fastdecode", "bf": "0"}
_SAME = 1e-3


@dataclass(frozen=True)
class Encoding:
    """How clips are encoded again.

    A picture becomes as small as it can while it still covers ``height x width``: its aspect is kept, nothing is cut
    off, and small ones are not enlarged.

    Args:
        height: Height in pixels that the picture must cover; ``None`` keeps the size of the source.
        width: Width that it must cover; ``None`` takes that of ``height``.
        gop: A keyframe at least every so many frames: what must be decoded before the first frame of a clip.
        quality: Constant rate factor of x264: 0 is lossless, 18 looks so, 51 is the worst.
        sound_rate: Samples of (mono, lossless) sound a second; ``None`` keeps that of the source.

    Raises:
        ConfigurationError: If a value cannot work.
    """

    height: int | None = None
    width: int | None = None
    gop: int = 12
    quality: int = 18
    sound_rate: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("height", 2), ("width", 2), ("gop", 1), ("sound_rate", 1000)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigurationError(f"--{name} must be at least {least}, not {value}.")
        if not 0 <= self.quality <= 51:
            raise ConfigurationError(f"--quality must be from 0 to 51, not {self.quality}.")
        if self.width is not None and self.height is None:
            raise ConfigurationError("--width needs --height, which says how high the picture must be.")

    def size(self, height: float, width: float) -> tuple[int, int]:
        """Height and width of the picture that a source of this size becomes."""
        if self.height is None:
            return round(height), round(width)
        scale = max(self.height / height, (self.width or self.height) / width)
        if scale >= 1.0:
            return round(height), round(width)
        rows, columns = (2 * math.ceil(side * scale / 2 - 1e-6) for side in (height, width))
        return rows, columns


def reencode(
    source: str | Path, target: Path, encoding: Encoding, start: float = 0.0, end: float | None = None
) -> None:
    """Encode a file, or a part of it, again. Frames keep their times, and sound stays in step with them.

    Only a frame and a second of sound at a time are in memory. A part begins with the first frame from ``start`` on.
    Sound ends with the picture at the latest.

    Args:
        source: A video file with sound.
        target: The mp4 file to write; its folder must exist.
        encoding: How.
        start: Where the part begins, in seconds after the first frame.
        end: Where it ends; ``None`` for the end of the file.

    Raises:
        MediaError: If the source cannot be read, or has no frame or no sound in this part.
    """
    with ExitStack() as stack:
        # One demuxer each: both are read from beginning to end, at their own pace.
        pictures, sounds = (stack.enter_context(open_media(source)) for _ in range(2))
        frames = _Frames(pictures, start, end)
        first = next(frames, None)
        if first is None:
            raise MediaError(pictures.name, f"has no frame from {start:.3f} s on. Start earlier.")
        begin = frame_time(first) - pictures.zero
        blocks = sound_blocks(sounds, begin)
        heard = next(blocks, None)
        if heard is None:
            raise MediaError(sounds.name, f"has no sound from {begin:.3f} s on. Start earlier.")
        _write(frames, first, _Feed(heard, blocks), target, encoding)


class _Frames(Iterator[VideoFrame]):
    """The frames of a part, in order of time."""

    def __init__(self, media: MediaFile, start: float, end: float | None) -> None:
        self.media, self.last = media, math.inf if end is None else end - _SAME
        self.earliest = start - _SAME
        self.decoded = media.video_frames(start)
        self.shown = -math.inf

    def __next__(self) -> VideoFrame:
        for frame in self.decoded:
            time = frame_time(frame) - self.media.zero
            if time >= self.last:
                break
            # Damaged time stamps may go back, or forward by less than can be stored.
            if time >= self.earliest and time > self.shown + 1 / TICKS:
                self.shown = time
                return frame
        raise StopIteration


@dataclass
class _Feed:
    """Blocks of sound, taken as the picture needs them."""

    next: SoundBlock | None
    rest: Iterator[SoundBlock]

    def until(self, seconds: float) -> Iterator[SoundBlock]:
        """Blocks that begin before a time and were not taken yet."""
        while self.next is not None and self.next.seconds < seconds:
            block, self.next = self.next, next(self.rest, None)
            yield block


def _write(frames: _Frames, first: VideoFrame, sound: _Feed, target: Path, encoding: Encoding) -> None:
    media = frames.media
    stream = media.needed_picture()
    aspect, turns = pixel_aspect(stream), right_angles(first)
    displayed = first.height, first.width * aspect
    height, width = encoding.size(*(displayed[::-1] if turns % 2 else displayed))
    rate = Fraction(stream.average_rate or stream.guessed_rate or 25).limit_denominator(1001)
    assert sound.next is not None
    begun, given_rate = sound.next.seconds, sound.next.rate
    pictures = PictureTrack(height, width, rate, Fraction(1, TICKS), encoding.gop, encoding.quality, _FAST_TO_DECODE)
    track = SoundTrack(given_rate, encoding.sound_rate or given_rate, "flac")
    colours, zero = VideoReformatter(), frame_time(first)
    with Mp4(target, pictures, track) as file:
        # Samples of both rates fall together now and then. To begin elsewhere would move the sound by a part of one.
        step = given_rate // math.gcd(given_rate, track.rate)
        silence = sound.next.first % step
        file.begin_sound((sound.next.first - silence) / given_rate)
        file.add_sound(np.zeros(silence, np.float32))
        before: VideoFrame | None = None
        end = 0.0
        for frame in chain([first], frames):
            time = frame_time(frame) - zero
            rgb = colours.reformat(frame, format="rgb24", threads=1).to_ndarray()
            shown = frame_seconds(frame, before, stream)
            picture = resize(turned(rgb, turns), height, width)
            file.add_picture(picture, round(time * TICKS), round(shown * TICKS))
            end = time + shown
            for block in sound.until(time):
                file.add_sound(block.samples)
            file.write_sound(time)
            before = frame
        if begun >= end:
            raise MediaError(media.name, f"has no sound before {begun:.3f} s, when the picture of this part has ended.")
        for block in sound.until(end):
            file.add_sound(block.samples[: math.ceil((end - block.seconds) * block.rate)])
