"""What an mp4 that plays everywhere is made of: H.264 in yuv420p, AAC, and frames in its colours."""

from fractions import Fraction

import numpy as np
import torch
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Samples = NDArray[np.float32]

SOUND_RATE = 48_000
"""The rate of sound in mp4 that every player takes, and at which AAC's delay is short (21 ms, skipped when played)."""

SOUND_BLOCK = 1024
"""Samples in a packet of AAC."""

# At 128 kb/s FFmpeg's encoder can spoil the first 20 ms of a tone (signal to error 10 dB, 27 dB and more at 160).
_SOUND_BIT_RATE = 160_000
_BT709 = 1  # as H.264 counts; PyAV's enum numbers are swscale's


def add_video(
    container: OutputContainer, height: int, width: int, rate: Fraction, keyframe_interval: int | None, quality: int
) -> VideoStream:
    """Add a track of pictures of this size, or one more in height and width where that is odd."""
    stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality)})
    stream.height, stream.width, stream.pix_fmt = height + height % 2, width + width % 2, "yuv420p"
    context = stream.codec_context
    context.thread_count = 1  # the result does not depend on how many cores there are
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = _BT709, ColorRange.MPEG
    if keyframe_interval is not None:
        context.gop_size = keyframe_interval
    return stream


def add_audio(container: OutputContainer) -> AudioStream:
    """Add a track of mono sound."""
    # The default coder takes three times as long and is no better at this bit rate.
    stream = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"aac_coder": "fast"})
    stream.codec_context.bit_rate = _SOUND_BIT_RATE
    return stream


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
