"""Writing a clip that is whole in memory."""

from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.writer import ClipWriter


def write_clip(
    path: str | Path,
    pixels: Tensor,
    fps: float | Fraction,
    waveform: Tensor | None,
    sample_rate: int,
    *,
    enlarge: int = 1,
    keyframe_interval: int | None = None,
    quality: int = 18,
) -> None:
    """Write a clip as mp4, see :class:`ClipWriter`.

    Args:
        path: Where to write; the folder must exist.
        pixels: ``(3, f, h, w)``, uint8 RGB.
        fps: Frames a second; fractions such as 30000/1001 are kept.
        waveform: ``(samples,)`` in [-1, 1], or ``None`` for a file without sound.
        sample_rate: Samples a second of ``waveform``.
        enlarge: Each pixel becomes a square of so many; some hardware decoders refuse small pictures.
        keyframe_interval: A keyframe at least every so many frames; ``None`` leaves it to the encoder.
        quality: Constant rate factor of x264: 0 is lossless, 18 looks so, 51 is the worst.

    Raises:
        MediaError: If the file cannot be written.
        ConfigurationError: If pixels, waveform or a setting have the wrong shape, type or value.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise ConfigurationError(f"pixels must be uint8 (3, f, h, w), not {pixels.dtype} {tuple(pixels.shape)}.")
    if sample_rate < 1:
        raise ConfigurationError(f"fps must be from 0.001 to 1000 and sample_rate >= 1, not {fps} and {sample_rate}.")
    rate = None if waveform is None else sample_rate
    height, width = pixels.shape[2:]
    with ClipWriter(
        path, fps, height, width, rate, enlarge=enlarge, keyframe_interval=keyframe_interval, quality=quality
    ) as writer:
        writer.write(pixels, waveform)
