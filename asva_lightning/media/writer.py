"""ClipWriter: an mp4 that is written as its frames and sound are made, of any length."""

import math
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import soxr
import torch
from av.audio.frame import AudioFrame
from av.video.reformatter import VideoReformatter
from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.encode import SOUND_BLOCK, SOUND_RATE, Samples, add_audio, add_video, video_frame


class ClipWriter:
    """Writes an mp4 (H.264, yuv420p, BT.709; AAC, mono, 48 kHz) piece by piece; memory does not grow with its length.

    To be used in a ``with`` statement. The file appears under its name on a clean exit; if the block raises, nothing is
    left. A frame of odd height or width gets its last row or column twice, since the colours of H.264 are stored for
    two by two pixels.

    Args:
        path: Where to write; the folder must exist.
        fps: Frames a second; fractions such as 30000/1001 are kept.
        height: Height of the frames that will come.
        width: Width of the frames that will come.
        sample_rate: Samples a second of the sound that will come; ``None`` for a file without sound.
        enlarge: Each pixel becomes a square of so many; some hardware decoders refuse small pictures.
        keyframe_interval: A keyframe at least every so many frames; ``None`` leaves it to the encoder.
        quality: Constant rate factor of x264: 0 is lossless, 18 looks so, 51 is the worst.

    Raises:
        MediaError: If the file cannot be written, here or later.
        ConfigurationError: If a setting has a value that cannot work.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float | Fraction,
        height: int,
        width: int,
        sample_rate: int | None,
        *,
        enlarge: int = 1,
        keyframe_interval: int | None = None,
        quality: int = 18,
    ) -> None:
        _check(fps, height, width, sample_rate, enlarge, keyframe_interval, quality)
        self.path = Path(path)
        self.rate = Fraction(fps).limit_denominator(1001)
        self.size = height, width
        self.enlarge = enlarge
        self._partial = self.path.absolute().with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._frames, self._begun = 0, 0
        self._waiting: Samples = np.zeros(0, np.float32)
        self._colours = VideoReformatter()  # one for all frames: making it costs more than a small frame does
        try:
            self._container = av.open(self._partial, "w", format="mp4", options={"movflags": "+faststart"})
            sides = height * enlarge, width * enlarge
            self._video = add_video(self._container, *sides, self.rate, keyframe_interval, quality)
            self._audio = None if sample_rate is None else add_audio(self._container)
        except (av.FFmpegError, OSError) as error:
            self._partial.unlink(missing_ok=True)
            raise self._failed(error) from error
        self._resample = None if sample_rate is None else soxr.ResampleStream(sample_rate, SOUND_RATE, 1, "float32")

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
            self._partial.unlink(missing_ok=True)

    def write(self, pixels: Tensor, waveform: Tensor | None = None) -> None:
        """Append frames and sound. Both go on where they ended; their lengths need not agree at every call.

        Args:
            pixels: ``(3, f, h, w)``, uint8 RGB.
            waveform: ``(samples,)`` in [-1, 1], if the file has sound.

        Raises:
            ConfigurationError: If pixels or waveform have the wrong shape or type.
        """
        self._check_content(pixels, waveform)
        try:
            if waveform is not None:
                self._take_sound(waveform.detach().cpu().float().numpy(), last=False)
            for picture in pixels.detach().cpu().unbind(1):
                frame = video_frame(picture, self.enlarge, self._colours)
                frame.pts, frame.time_base = self._frames, 1 / self.rate
                self._container.mux(self._video.encode(frame))
                self._frames += 1
                self._write_sound(math.ceil(self._frames / self.rate * SOUND_RATE))
        except (av.FFmpegError, OSError) as error:
            raise self._failed(error) from error

    def _check_content(self, pixels: Tensor, waveform: Tensor | None) -> None:
        height, width = self.size
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[0] != 3 or not pixels.shape[1]:
            raise ConfigurationError(f"pixels must be uint8 (3, f, h, w), not {pixels.dtype} {tuple(pixels.shape)}.")
        if pixels.shape[2:] != self.size:
            raise ConfigurationError(f"Frames must be {height}x{width} px, not {pixels.shape[2]}x{pixels.shape[3]}.")
        if (waveform is None) != (self._audio is None):
            what = "has no sound, but some was given" if self._audio is None else "has sound, but none was given"
            raise ConfigurationError(f"{self.path} {what}. Sound is decided on by sample_rate.")
        if waveform is not None and (waveform.ndim != 1 or not len(waveform) or not waveform.isfinite().all()):
            raise ConfigurationError(f"waveform must be (samples,), finite, samples > 0, not {tuple(waveform.shape)}.")

    def _take_sound(self, values: Samples, last: bool) -> None:
        assert self._resample is not None
        resampled = self._resample.resample_chunk(values, last=last)
        self._waiting = np.concatenate([self._waiting, resampled.astype(np.float32).clip(-1, 1)])

    def _write_sound(self, end: int, last: bool = False) -> None:
        """Encode whole blocks up to sample ``end``: a player finds sound and picture side by side in the file."""
        while self._audio is not None and self._begun < end and len(self._waiting) >= (1 if last else SOUND_BLOCK):
            block, self._waiting = self._waiting[:SOUND_BLOCK], self._waiting[SOUND_BLOCK:]
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, self._begun, Fraction(1, SOUND_RATE)
            self._container.mux(self._audio.encode(frame))
            self._begun += SOUND_BLOCK

    def _finish(self) -> None:
        if not self._frames:
            raise ConfigurationError(f"{self.path} was given no frame.")
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._take_sound(np.zeros(0, np.float32), last=True)
            self._write_sound(self._begun + len(self._waiting), last=True)
            self._container.mux(self._audio.encode(None))

    def _failed(self, error: av.FFmpegError | OSError) -> MediaError:
        return MediaError(self.path, f"cannot be written: {error.strerror or error}.")


def _check(
    fps: float | Fraction,
    height: int,
    width: int,
    sample_rate: int | None,
    enlarge: int,
    keyframe_interval: int | None,
    quality: int,
) -> None:
    if height < 1 or width < 1:
        raise ConfigurationError(f"A video needs height and width >= 1, not {height} and {width}.")
    if not 0.001 <= fps <= 1000 or (sample_rate is not None and sample_rate < 1):
        raise ConfigurationError(f"fps must be from 0.001 to 1000 and sample_rate >= 1, not {fps} and {sample_rate}.")
    if enlarge < 1 or (keyframe_interval is not None and keyframe_interval < 1) or not 0 <= quality <= 51:
        raise ConfigurationError(
            "enlarge and keyframe_interval must be >= 1 and quality from 0 to 51, "
            f"not {enlarge}, {keyframe_interval} and {quality}."
        )
