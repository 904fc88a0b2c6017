"""ClipWriter: an mp4 that is written as its frames and sound are made, of any length."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.encode import PictureTrack, SoundTrack
from asva_lightning.media.mp4 import Mp4


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
        pictures = PictureTrack(height * enlarge, width * enlarge, self.rate, 1 / self.rate, keyframe_interval, quality)
        sound = None if sample_rate is None else SoundTrack(sample_rate)
        self._file = Mp4(self.path, pictures, sound, enlarge)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def write(self, pixels: Tensor, waveform: Tensor | None = None) -> None:
        """Append frames and sound. Both go on where they ended; their lengths need not agree at every call.

        Args:
            pixels: ``(3, f, h, w)``, uint8 RGB.
            waveform: ``(samples,)`` in [-1, 1], if the file has sound.

        Raises:
            ConfigurationError: If pixels or waveform have the wrong shape or type.
        """
        self._check_content(pixels, waveform)
        if waveform is not None:
            self._file.add_sound(waveform.detach().cpu().float().numpy())
        for picture in pixels.detach().cpu().unbind(1):
            self._file.add_picture(picture, self._file.frames, 1)
            self._file.write_sound(self._file.frames / self.rate)

    def _check_content(self, pixels: Tensor, waveform: Tensor | None) -> None:
        height, width = self.size
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[0] != 3 or not pixels.shape[1]:
            raise ConfigurationError(f"pixels must be uint8 (3, f, h, w), not {pixels.dtype} {tuple(pixels.shape)}.")
        if pixels.shape[2:] != self.size:
            raise ConfigurationError(f"Frames must be {height}x{width} px, not {pixels.shape[2]}x{pixels.shape[3]}.")
        if (waveform is None) != (self._file.sound is None):
            what = "has no sound, but some was given" if waveform is not None else "has sound, but none was given"
            raise ConfigurationError(f"{self.path} {what}. Sound is decided on by sample_rate.")
        if waveform is not None and (waveform.ndim != 1 or not len(waveform) or not waveform.isfinite().all()):
            raise ConfigurationError(f"waveform must be (samples,), finite, samples > 0, not {tuple(waveform.shape)}.")


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
