"""What an mp4 that plays everywhere is made of: H.264 in yuv420p, AAC or FLAC, and frames in its colours."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
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

Samples = NDArray[np.float32]
SoundCodec = Literal["aac", "flac"]

SOUND_RATE = 48_000
"""The rate of sound in mp4 that every player takes, and at which AAC's delay is short (21 ms, skipped when played)."""

SOUND_BLOCK = 1024
"""Samples in a packet of AAC."""

# At 128 kb/s FFmpeg's encoder can spoil the first 20 ms of a tone (signal to error 10 dB, 27 dB and more at 160).
_SOUND_BIT_RATE = 160_000
_BT709 = 1  # as H.264 counts; PyAV's enum numbers are swscale's


@dataclass(frozen=True)
class PictureTrack:
    """How pictures are encoded.

    Args:
        height: Height of a picture in pixels.
        width: Width of a picture in pixels.
        rate: Pictures a second, on average.
        time_base: The unit of their times in seconds.
        keyframe_interval: A keyframe at least every so many pictures; ``None`` leaves it to the encoder.
        quality: Constant rate factor of x264: 0 is lossless, 18 looks so, 51 is the worst.
        options: Further options of x264.
    """

    height: int
    width: int
    rate: Fraction
    time_base: Fraction
    keyframe_interval: int | None = None
    quality: int = 18
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SoundTrack:
    """How mono sound is encoded.

    Args:
        given_rate: Samples a second of what will come.
        rate: Samples a second in the file.
        codec: ``aac``, or ``flac``, which loses nothing but what 16 bits do not hold, and decodes faster.
    """

    given_rate: int
    rate: int = SOUND_RATE
    codec: SoundCodec = "aac"


NARROW = 128
"""Pixels below which x264 must not look ahead by macroblock trees.

With AVX-512 it reads beyond such short rows there, so that the same pictures give other bytes from time to time: 2 to 5
different files out of 14 up to 112 pixels, one from 128 on.
"""


def add_video(container: OutputContainer, track: PictureTrack) -> VideoStream:
    """Add a track of pictures of this size, or one more in height and width where that is odd."""
    options = {"crf": str(track.quality), **track.options}
    if min(track.height, track.width) < NARROW:
        options.setdefault("mbtree", "0")
    stream = container.add_stream("libx264", rate=track.rate, options=options)
    stream.height, stream.width = track.height + track.height % 2, track.width + track.width % 2
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = track.time_base
    context.thread_count = 1  # the result does not depend on how many cores there are
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = _BT709, ColorRange.MPEG
    if track.keyframe_interval is not None:
        context.gop_size = track.keyframe_interval
    return stream


def add_audio(container: OutputContainer, track: SoundTrack) -> AudioStream:
    """Add a track of mono sound."""
    if track.codec == "flac":
        stream = container.add_stream("flac", rate=track.rate, layout="mono")
        stream.codec_context.format = "s16"
        return stream
    # The default coder takes three times as long and is no better at this bit rate.
    stream = container.add_stream("aac", rate=track.rate, layout="mono", options={"aac_coder": "fast"})
    stream.codec_context.bit_rate = _SOUND_BIT_RATE
    return stream


def audio_frame(samples: Samples, stream: AudioStream) -> AudioFrame:
    """Samples ``(samples,)`` in [-1, 1] as a frame of a mono track."""
    format = stream.codec_context.format.name
    values = samples[None]
    if format == "s16":
        values = np.round(values * 32767).astype(np.int16)
    return AudioFrame.from_ndarray(np.ascontiguousarray(values), format=format, layout="mono")


def video_frame(picture: Tensor, enlarge: int, colours: VideoReformatter) -> VideoFrame:
    """One picture ``(3, h, w)`` as a frame of even size in the colours of the track."""
    picture = picture.repeat_interleave(enlarge, dim=-2).repeat_interleave(enlarge, dim=-1)
    height, width = picture.shape[-2:]
    if height % 2 or width % 2:
        picture = functional.pad(picture.float(), (0, width % 2, 0, height % 2), mode="replicate").to(torch.uint8)
    rgb = VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
    return colours.reformat(
        rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
    )
