"""An mp4 under way: pictures at given times and sound go in, and the file appears when it is whole."""

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import soxr
from av.video.reformatter import VideoReformatter
from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.encode import (
    SOUND_BLOCK,
    PictureTrack,
    Samples,
    SoundTrack,
    add_audio,
    add_video,
    audio_frame,
    video_frame,
)

# When a track begins is stored in units of this clock, of 1 ms if not said otherwise.
_OPTIONS = {"movflags": "+faststart", "movie_timescale": "90000"}


class Mp4:
    """Encodes pictures and sound as they come; memory does not grow with the length.

    To be used in a ``with`` statement. The file appears under its name on a clean exit; if the block raises, nothing is
    left.

    Args:
        path: Where to write; the folder must exist.
        pictures: How pictures are encoded, and the size of what is stored.
        sound: How sound is encoded; ``None`` for a file without.
        enlarge: Each pixel becomes a square of so many; ``pictures`` says the size after that.

    Raises:
        MediaError: If the file cannot be written, here or later.
    """

    def __init__(self, path: Path, pictures: PictureTrack, sound: SoundTrack | None, enlarge: int = 1) -> None:
        self.path, self.pictures, self.sound, self.enlarge = path, pictures, sound, enlarge
        self.frames = 0
        self._partial = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial")
        self._waiting: Samples = np.zeros(0, np.float32)
        self._begun = 0
        self._durations: dict[int, int] = {}
        self._colours = VideoReformatter()  # one for all frames: making it costs more than a small frame does
        try:
            self._container = av.open(self._partial, "w", format="mp4", options=_OPTIONS)
            self._video = add_video(self._container, pictures)
            self._audio = None if sound is None else add_audio(self._container, sound)
            self._block = SOUND_BLOCK
            if self._audio is not None:
                self._audio.codec_context.open()  # only then it is known how many samples go into a packet
                self._block = self._audio.codec_context.frame_size or SOUND_BLOCK
        except (av.FFmpegError, OSError) as error:
            self._discard()
            raise self._failed(error) from error
        self._resample = None if sound is None else soxr.ResampleStream(sound.given_rate, sound.rate, 1, "float32")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
            self._container.close()
            if kind is None:
                os.replace(self._partial, self.path)
        except (av.FFmpegError, OSError) as problem:
            if kind is None:
                raise self._failed(problem) from problem
        finally:
            self._discard()

    def add_picture(self, picture: Tensor, time: int, duration: int) -> None:
        """Append a picture.

        Args:
            picture: ``(3, h, w)``, uint8 RGB.
            time: When it is shown, in units of the track's time base; later than the one before.
            duration: For how long. Only the last one's is kept: the others are shown until the next one is.
        """
        frame = video_frame(picture, self.enlarge, self._colours)
        frame.pts, frame.time_base = time, self.pictures.time_base
        self._durations[time] = duration
        self._mux_pictures(frame)
        self.frames += 1

    def begin_sound(self, seconds: float) -> None:
        """Say when the first sample will be heard, where that is not 0; before any sound is added."""
        assert self.sound is not None
        self._begun = round(seconds * self.sound.rate)

    def add_sound(self, samples: Samples, last: bool = False) -> None:
        """Append samples ``(samples,)`` in [-1, 1] at the given rate; they go on where the last ones ended."""
        assert self._resample is not None
        resampled = self._resample.resample_chunk(samples, last=last)
        self._waiting = np.concatenate([self._waiting, resampled.astype(np.float32).clip(-1, 1)])

    def write_sound(self, seconds: float | Fraction) -> None:
        """Encode sound up to a time: a player finds sound and picture side by side in the file."""
        try:
            self._write_sound(seconds, last=False)
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _write_sound(self, seconds: float | Fraction, last: bool) -> None:
        """Encode whole blocks; also what is left over at the end."""
        if self._audio is None or self.sound is None:
            return
        while self._begun < seconds * self.sound.rate and len(self._waiting) >= (1 if last else self._block):
            block, self._waiting = self._waiting[: self._block], self._waiting[self._block :]
            frame = audio_frame(block, self._audio)
            frame.sample_rate, frame.pts = self.sound.rate, self._begun
            frame.time_base = Fraction(1, self.sound.rate)
            self._container.mux(self._audio.encode(frame))
            self._begun += self._block

    def _mux_pictures(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._video.encode(frame):
                packet.duration = self._durations.pop(packet.pts or 0, 0)
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _finish(self) -> None:
        if not self.frames:
            raise ConfigurationError(f"{self.path} was given no frame.")
        self._mux_pictures(None)
        if self._audio is not None:
            self.add_sound(np.zeros(0, np.float32), last=True)
            self._write_sound(float("inf"), last=True)
            self._container.mux(self._audio.encode(None))

    def _discard(self) -> None:
        """Leave no part of a file; where the folder is none, this fails too, and must not hide the first reason."""
        with suppress(OSError):
            self._partial.unlink()

    def _failed(self, error: av.FFmpegError | OSError) -> MediaError:
        return MediaError(self.path, f"cannot be written: {error.strerror or error}.")
