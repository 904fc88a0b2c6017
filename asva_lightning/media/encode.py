"""Writing clips as mp4 files that play everywhere."""

import math
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
import torch
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from asva_lightning.errors import ConfigurationError, MediaError

# The rate of sound in mp4 that every player takes, and at which AAC's delay is short (21 ms, skipped when played).
_SOUND_RATE = 48_000
# At 128 kb/s FFmpeg's encoder can spoil the first 20 ms of a tone (signal to error 10 dB, 27 dB and more at 160).
_SOUND_BIT_RATE = 160_000
_SOUND_BLOCK = 1024  # samples in a packet of AAC


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
    """Write a clip as mp4 (H.264, yuv420p, BT.709; AAC, mono, 48 kHz).

    The file appears under its name only when it is complete. A frame of odd height or width gets its last row or column
    twice, since the colours of H.264 are stored for two by two pixels.

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
    _check(pixels, fps, waveform, sample_rate, enlarge, keyframe_interval, quality)
    path = Path(path)
    partial = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with av.open(partial, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            rate = Fraction(fps).limit_denominator(1001)
            video = _add_video(container, pixels, rate, enlarge, keyframe_interval, quality)
            audio = None if waveform is None else _add_audio(container)
            sound = None if waveform is None else _resampled(waveform, sample_rate)
            _write(container, video, audio, pixels, rate, sound, enlarge)
        os.replace(partial, path)
    except (av.FFmpegError, OSError) as error:
        raise MediaError(path, f"cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _check(
    pixels: Tensor,
    fps: float | Fraction,
    waveform: Tensor | None,
    sample_rate: int,
    enlarge: int,
    keyframe_interval: int | None,
    quality: int,
) -> None:
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise ConfigurationError(f"pixels must be uint8 (3, f, h, w), not {pixels.dtype} {tuple(pixels.shape)}.")
    if waveform is not None and (waveform.ndim != 1 or not len(waveform) or not waveform.isfinite().all()):
        raise ConfigurationError(f"waveform must be (samples,), finite, samples > 0, not {tuple(waveform.shape)}.")
    if not 0.001 <= fps <= 1000 or sample_rate < 1:
        raise ConfigurationError(f"fps must be from 0.001 to 1000 and sample_rate >= 1, not {fps} and {sample_rate}.")
    if enlarge < 1 or (keyframe_interval is not None and keyframe_interval < 1) or not 0 <= quality <= 51:
        raise ConfigurationError(
            "enlarge and keyframe_interval must be >= 1 and quality from 0 to 51, "
            f"not {enlarge}, {keyframe_interval} and {quality}."
        )


def _add_video(
    container: OutputContainer,
    pixels: Tensor,
    rate: Fraction,
    enlarge: int,
    keyframe_interval: int | None,
    quality: int,
) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality)})
    height, width = (side * enlarge for side in pixels.shape[-2:])
    stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
    context = stream.codec_context
    context.thread_count = 1  # the result does not depend on how many cores there are
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = (
        1,
        ColorRange.MPEG,
    )  # 1: BT.709 in H.264; PyAV's enum numbers are swscale's
    if keyframe_interval is not None:
        context.gop_size = keyframe_interval
    return stream


def _add_audio(container: OutputContainer) -> AudioStream:
    # The default coder takes three times as long and is no better at this bit rate.
    stream = container.add_stream("aac", rate=_SOUND_RATE, layout="mono", options={"aac_coder": "fast"})
    stream.codec_context.bit_rate = _SOUND_BIT_RATE
    return stream


def _resampled(waveform: Tensor, sample_rate: int) -> NDArray[np.float32]:
    values = waveform.detach().cpu().float().numpy()
    return soxr.resample(values, sample_rate, _SOUND_RATE).clip(-1, 1)


def _write(
    container: OutputContainer,
    video: VideoStream,
    audio: AudioStream | None,
    pixels: Tensor,
    rate: Fraction,
    sound: NDArray[np.float32] | None,
    enlarge: int,
) -> None:
    """Encode frames and sound side by side, so that a player finds both at one place of the file."""
    written = 0
    colours = VideoReformatter()  # one for all frames: making it costs more than a small frame does
    for index, picture in enumerate(pixels.detach().cpu().unbind(1)):
        frame = _video_frame(picture, enlarge, colours)
        frame.pts, frame.time_base = index, 1 / rate
        container.mux(video.encode(frame))
        if audio is not None and sound is not None:
            written = _write_sound(container, audio, sound, written, math.ceil((index + 1) / rate * _SOUND_RATE))
    container.mux(video.encode(None))
    if audio is not None and sound is not None:
        _write_sound(container, audio, sound, written, len(sound))
        container.mux(audio.encode(None))


def _write_sound(
    container: OutputContainer, stream: AudioStream, sound: NDArray[np.float32], begin: int, end: int
) -> int:
    """Encode whole blocks from sample ``begin`` until ``end`` is reached; returns where the next one begins."""
    while begin < min(end, len(sound)):
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(sound[None, begin : begin + _SOUND_BLOCK]), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, begin, Fraction(1, _SOUND_RATE)
        container.mux(stream.encode(frame))
        begin += _SOUND_BLOCK
    return begin


def _video_frame(picture: Tensor, enlarge: int, colours: VideoReformatter) -> VideoFrame:
    """One picture ``(3, h, w)`` as a frame of even size in the colours of the stream."""
    picture = picture.repeat_interleave(enlarge, dim=-2).repeat_interleave(enlarge, dim=-1)
    height, width = picture.shape[-2:]
    if height % 2 or width % 2:
        picture = functional.pad(picture.float(), (0, width % 2, 0, height % 2), mode="replicate").to(torch.uint8)
    rgb = VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
    return colours.reformat(
        rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
    )
