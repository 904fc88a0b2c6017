"""Opening media files: one way in, one clock, one exception for everything that can be wrong with a file."""

import io
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from asva_lightning.errors import ConfigurationError, MediaError

Source = str | Path | BinaryIO

# How much further back to look, in seconds, when a seek lands behind the place that was asked for.
_STEPS_BACK = (0.0, 2.0, 10.0)


class MediaFile:
    """An open media file with at most one picture and one sound track; made by ``open_media``.

    Every time that this package takes or returns is counted from ``zero``: the moment at which the file's first video
    frame is shown, or, in a file without picture, its first sample is heard.

    Attributes:
        name: What the file is called in errors.
        zero: Second 0 of the clip clock, on the file's own clock (seconds).
    """

    def __init__(self, name: str, handle: BinaryIO) -> None:
        self.name = name
        self._handle = handle
        self.container = self._open()
        try:
            self.zero = self._first_time()
        except BaseException:
            self.close()
            raise

    @property
    def picture(self) -> VideoStream | None:
        """The first video track that is no cover art and has a decoder."""
        for stream in self.container.streams.video:
            if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic:
                return stream
        return None

    @property
    def sound(self) -> AudioStream | None:
        """The first audio track that has a decoder."""
        return next((stream for stream in self.container.streams.audio if stream.codec_context is not None), None)

    def needed_picture(self) -> VideoStream:
        """The video track, or a MediaError where there is none."""
        if self.picture is None:
            raise MediaError(self.name, "has no picture that can be decoded. Give a file with a video track.")
        return self.picture

    def needed_sound(self) -> AudioStream:
        """The audio track, or a MediaError where there is none."""
        if self.sound is None:
            raise MediaError(self.name, "has no sound that can be decoded. Give a file with an audio track.")
        return self.sound

    def rewind(self) -> None:
        """Open the file again: the one way back to the beginning that every format allows.

        Streams that were taken before are void: they point into the closed container.
        """
        self.close()
        self.container = self._open()

    def close(self) -> None:
        """Free what FFmpeg holds; the handle belongs to whoever opened it."""
        self.container.close()

    def packets(self, *streams: Stream) -> "Iterator[Packet[Stream]]":
        """Packets of these tracks from here to the end, or to where the file is cut off."""
        wanted = {stream.index for stream in streams}
        for stream in self.container.streams:
            stream.discard = Discard.default if stream.index in wanted else Discard.all
        demuxed = self.container.demux(*streams)
        while True:
            try:
                packet = next(demuxed)
            except (StopIteration, av.FFmpegError):  # a cut file ends in an error; what came before it is good
                return
            # PyAV adds empty ones at the end; a corrupt one is cut off in its middle.
            if packet.size and not packet.is_corrupt:
                yield packet

    def video_frames(self, seconds: float) -> Iterator[VideoFrame]:
        """Decoded pictures in order of time, the first not later than ``seconds`` on the clip clock where possible.

        May rewind, so take streams anew afterwards.
        """
        return cast(Iterator[VideoFrame], self._frames_from(self.needed_picture(), self.zero + seconds))

    def sound_frames(self, seconds: float) -> Iterator[AudioFrame]:
        """Decoded pieces of sound, the first not later than ``seconds`` on the clip clock where possible.

        May rewind, so take streams anew afterwards.
        """
        return cast(Iterator[AudioFrame], self._frames_from(self.needed_sound(), self.zero + seconds))

    def _open(self) -> InputContainer:
        self._handle.seek(0)
        # Metadata in a national encoding must not make a good clip unreadable, and a playlist that pretends to be a
        # clip must not make FFmpeg open other files or addresses: no protocol is allowed beside the handle.
        return av.open(self._handle, "r", metadata_errors="replace", options={"protocol_whitelist": "none"})

    def _first_time(self) -> float:
        stream = self.picture or self.sound
        if stream is None:
            raise MediaError(self.name, "has neither picture nor sound that can be decoded.")
        first = next(self._frames(stream), None)
        if first is None:
            kind = "frame of the picture" if stream.type == "video" else "sample of the sound"
            raise MediaError(self.name, f"not one {kind} can be decoded: the file is empty, cut off or damaged.")
        return frame_time(first)

    def _frames_from(self, stream: Stream, seconds: float) -> Iterator[VideoFrame | AudioFrame]:
        """As ``_frames``, after a seek to ``seconds`` on the file's own clock."""
        index, time_base = stream.index, stream.time_base or 1
        begin = float((stream.start_time or 0) * time_base)
        # Some formats cannot seek by a track whose packets are thrown away, as another track's reader has left it.
        stream.discard = Discard.default
        for step in _STEPS_BACK:
            try:
                self.container.seek(math.floor((seconds - step) / time_base), stream=self.container.streams[index])
            except av.FFmpegError:
                break
            frames = self._frames(self.container.streams[index])
            first = next(frames, None)
            if first is not None and frame_time(first) <= max(seconds, begin) + 0.001:
                return chain([first], frames)
        self.rewind()
        return self._frames(self.container.streams[index])

    def _frames(self, stream: Stream) -> Iterator[VideoFrame | AudioFrame]:
        """Decode one track from where the file stands.

        What cannot be decoded is passed over until the first good frame: a stream that is entered in its middle begins
        so. After that they are an error, since a clip with a hole is not the clip that was asked for.
        """
        context = cast(VideoStream | AudioStream, stream).codec_context
        if not context.is_open:
            context.thread_type, context.thread_count = "NONE", 1  # workers decode in parallel; threads only compete
        last: float | None = None
        time_base = stream.time_base  # PyAV leaves it out in the last frames
        # The None makes a decoder give what it still holds.
        for packet in chain(self.packets(stream), [None]):
            try:
                frames = context.decode(packet)
            except av.FFmpegError as error:
                if last is None:
                    continue
                raise MediaError(self.name, f"is damaged near {last - self.zero:.2f} s: {error.strerror}.") from error
            for frame in frames:
                frame.time_base = time_base
                if frame.pts is None:
                    raise MediaError(self.name, "its frames carry no times. Put the stream into an mp4 or mkv file.")
                if not frame.is_corrupt:
                    last = frame_time(frame)
                    yield frame
                elif last is not None:
                    raise MediaError(self.name, f"is damaged near {last - self.zero:.2f} s: a frame is incomplete.")


@contextmanager
def open_media(source: Source) -> Iterator[MediaFile]:
    """Open a media file for reading and close it again.

    Args:
        source: A path, or a binary file, which is read from its beginning and left open. One that cannot seek is read
            into memory.

    Yields:
        The open file.

    Raises:
        MediaError: If the file is missing, empty, no media file, or damaged; also for such errors inside the ``with``.
    """
    name = source_name(source)
    try:
        with ExitStack() as stack:
            if isinstance(source, str | Path):
                handle = cast(BinaryIO, stack.enter_context(open(source, "rb")))
            else:
                handle = source if source.seekable() else io.BytesIO(source.read())
            if handle.seek(0, io.SEEK_END) == 0:
                raise MediaError(name, "is empty (0 bytes).")
            media = MediaFile(name, handle)
            stack.callback(media.close)
            yield media
    except (av.FFmpegError, OSError) as error:
        raise MediaError(name, f"cannot be read: {error.strerror or error}.") from error


def checked_seconds(name: str, value: float, least: float = -math.inf) -> float:
    """A time that a caller gave, or a ConfigurationError where it is no number or below ``least``."""
    if not math.isfinite(value) or value < least:
        raise ConfigurationError(
            f"{name} must be a time in seconds" + f" >= {least:g}" * (least > -math.inf) + f", not {value}."
        )
    return value


def source_name(source: Source) -> str:
    """What to call a path or binary file in an error."""
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "<binary file>"))


def frame_time(frame: VideoFrame | AudioFrame) -> float:
    """When a frame from ``MediaFile`` is shown or heard, in seconds on the file's own clock."""
    return cast(float, frame.time)
