"""Frames of a video at asked-for times."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, cast

import torch
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.container import MediaFile, Source, checked_seconds, open_media
from asva_lightning.media.crop import crop_and_resize

# Times this close (seconds) count as equally near, so that 1/6 s lies in the middle of two frames at 15 fps in spite
# of rounding, and the earlier is taken.
_SAME = 1e-6


def read_frames(path: Source, times: Sequence[float], height: int, width: int) -> Tensor:
    """Read the frames that are shown nearest to given times.

    Args:
        path: A video file, as a path or binary file.
        times: Seconds after the first frame, in ascending order.
        height: Wanted height in pixels.
        width: Wanted width in pixels.

    Returns:
        Pixels ``(3, f, height, width)``, uint8, one frame for each time.

    Raises:
        MediaError: If the file cannot be read, has no picture, or ends before the last time.
        ConfigurationError: If there are no times, or they are negative or do not ascend.
    """
    with open_media(path) as media:
        return frames_at(media, times, height, width)


def frames_at(media: MediaFile, times: Sequence[float], height: int, width: int) -> Tensor:
    """As ``read_frames``, of an open file."""
    aspect = pixel_aspect(media.needed_picture())
    if not times or list(times) != sorted(times):
        raise ConfigurationError(f"Frames are asked for at one or more ascending times, not at {list(times)}.")
    for time in times:
        checked_seconds("The time of a frame", time, least=0.0)
    reformatter = VideoReformatter()
    pictures: list[Tensor] = []
    for frame, count in _nearest(media, times):
        if not count:
            continue
        # One thread and one converter for all frames: starting them costs more than converting a small frame.
        rgb = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        pictures += [_upright(rgb, right_angles(frame), aspect, height, width)] * count
    return torch.stack(pictures, dim=1)


def right_angles(frame: VideoFrame) -> int:
    """How many times a frame must be turned by 90 degrees, counter-clockwise, to stand upright."""
    return round(frame.rotation / 90) % 4


def pixel_aspect(stream: VideoStream) -> float:
    """Width of a stored pixel divided by its height, before any rotation."""
    return float(stream.sample_aspect_ratio or 1)


def frame_seconds(frame: VideoFrame, previous: VideoFrame | None, stream: VideoStream) -> float:
    """How long a frame is shown: as the file says, else as the one before it, else as the frame rate says."""
    if frame.duration:
        return float(frame.duration * cast(Fraction, frame.time_base))
    if previous is not None:
        return frame.time - previous.time
    return 1 / float(stream.average_rate or stream.guessed_rate or 25)


def _nearest(media: MediaFile, times: Sequence[float]) -> Iterator[tuple[VideoFrame, int]]:
    """Frames with the number of times, in their order, that each is nearest to; the earlier of two equally near."""
    pending = list(times)
    before: VideoFrame | None = None
    frame: VideoFrame | None = None
    for following in media.video_frames(times[0]):
        if frame is not None and following.time <= frame.time:
            continue  # damaged timestamps; a later frame must not push an earlier one away
        before, frame = frame, following
        settled = sum(time <= frame.time - media.zero for time in pending)
        if before is not None:
            middle = (before.time + frame.time) / 2 - media.zero
            earlier = sum(time <= middle + _SAME for time in pending)
            yield before, earlier
            pending, settled = pending[earlier:], max(settled - earlier, 0)
        yield frame, settled
        pending = pending[settled:]
        if not pending:
            return
    if frame is None:
        raise MediaError(media.name, "no frame can be decoded where it was looked for: the file is damaged.")
    end = frame.time + frame_seconds(frame, before, media.needed_picture()) - media.zero
    if pending[-1] > end + _SAME:
        raise MediaError(
            media.name,
            f"the frame at {pending[-1]:.3f} s was asked for, but the picture is {end:.3f} s long. "
            "Start earlier, ask for a shorter clip, or leave this file out.",
        )
    yield frame, len(pending)


def turned(rgb: NDArray[Any], turns: int) -> Tensor:
    """A decoded frame ``(h, w, 3)`` as it stands upright, ``(3, h, w)``, after so many right angles."""
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)
    return torch.rot90(pixels, turns, dims=(-2, -1)) if turns else pixels


def _upright(rgb: NDArray[Any], turns: int, aspect: float, height: int, width: int) -> Tensor:
    """One frame ``(h, w, 3)`` as it is displayed: turned, cropped, resized; ``(3, height, width)`` uint8."""
    return crop_and_resize(turned(rgb, turns), height, width, 1 / aspect if turns % 2 else aspect)
