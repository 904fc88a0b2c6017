"""What a media file holds, found out without decoding it."""

from dataclasses import dataclass, replace

from av.packet import Packet
from av.stream import Stream

from asva_lightning.errors import MediaError
from asva_lightning.media.container import MediaFile, Source, open_media
from asva_lightning.media.decode import pixel_aspect, right_angles


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds. Times are seconds on the clip clock: 0 is the first frame (else the first sample).

    Attributes:
        has_picture: Whether there is a video track (cover art is none).
        has_sound: Whether there is an audio track with something in it.
        width: Width in pixels as displayed, after rotation and with square pixels; 0 without picture.
        height: Height in pixels as displayed.
        pixel_aspect: Width of a pixel divided by its height, as displayed: other than 1 where the file asks to be
            stretched.
        fps: Frames a second on average; 0 without picture.
        picture_start: When the first frame is shown.
        picture_seconds: For how long there is picture.
        sound_start: When the sound begins; negative where it begins before the picture.
        sound_seconds: For how long there is sound.
        start: When picture and sound have both begun.
        seconds: For how long from ``start`` on there are both; 0 where one is missing.
        picture_codec: FFmpeg's name of the video codec, such as ``h264``; empty without picture.
        sound_codec: FFmpeg's name of the audio codec, such as ``aac``; empty without sound.
        sample_rate: Samples of sound a second; 0 without sound.
        channels: Number of sound channels.
    """

    has_picture: bool
    has_sound: bool
    width: int = 0
    height: int = 0
    pixel_aspect: float = 1.0
    fps: float = 0.0
    picture_start: float = 0.0
    picture_seconds: float = 0.0
    sound_start: float = 0.0
    sound_seconds: float = 0.0
    start: float = 0.0
    seconds: float = 0.0
    picture_codec: str = ""
    sound_codec: str = ""
    sample_rate: int = 0
    channels: int = 0


def probe(path: Source) -> MediaInfo:
    """Look at a media file: its packets are counted, and only its first frame is decoded.

    Lengths are those of the packets that are there, not those that the file claims, so that files without a duration
    and files that are cut off are told as they are.

    Args:
        path: A media file, as a path or binary file.

    Returns:
        What the file holds.

    Raises:
        MediaError: If the file cannot be read or nothing in it can be decoded.
    """
    with open_media(path) as media:
        picture, sound = _spans(media)
        info = MediaInfo(has_picture=bool(picture.count), has_sound=bool(sound.count))
        if info.has_picture:
            info = _with_picture(info, media, picture)
        if info.has_sound:
            info = _with_sound(info, media, sound)
        if info.has_picture and info.has_sound:
            begin = max(picture.begin, sound.begin)
            info = replace(info, start=begin, seconds=max(0.0, min(picture.end, sound.end) - begin))
        return info


def sound_seconds(path: Source) -> float:
    """When the sound of a file ends, in seconds on the clip clock, by its packets.

    Raises:
        MediaError: If the file cannot be read or has no sound.
    """
    with open_media(path) as media:
        media.needed_sound()
        _, sound = _spans(media)
        if not sound.count:
            raise MediaError(media.name, "has a sound track with nothing in it.")
        return sound.end


class _Span:
    """From when to when the packets of one track reach (seconds on the clip clock)."""

    def __init__(self) -> None:
        self.count, self.begin, self.last, self.end = 0, float("inf"), float("-inf"), float("-inf")

    def add(self, begin: float, seconds: float) -> None:
        self.count += 1
        self.begin, self.last, self.end = min(self.begin, begin), max(self.last, begin), max(self.end, begin + seconds)

    def close(self, default_seconds: float) -> None:
        """Give a last packet without duration the average one."""
        if self.count and self.end <= self.last:
            self.end = self.last + ((self.last - self.begin) / (self.count - 1) if self.count > 1 else default_seconds)


def _spans(media: MediaFile) -> tuple[_Span, _Span]:
    media.rewind()
    spans = _Span(), _Span()
    tracks: list[Stream] = [stream for stream in (media.picture, media.sound) if stream is not None]
    for packet in media.packets(*tracks):
        if packet.pts is None:
            continue
        begin = float(packet.pts * packet.time_base) - media.zero
        seconds = float((packet.duration or 0) * packet.time_base)
        skipped = _skipped_seconds(packet, media)
        if packet.is_discard and not skipped:
            continue  # decoded only so that later ones can be
        spans[packet.stream.type == "audio"].add(begin + skipped, max(0.0, seconds - skipped))
    for span, stream in zip(spans, (media.picture, media.sound)):
        rate = getattr(stream, "average_rate", None)
        span.close(1 / float(rate) if rate else 0.0)
    return spans


def _skipped_seconds(packet: "Packet[Stream]", media: MediaFile) -> float:
    """How much of the beginning of a packet is not to be heard: an encoder's lead-in.

    The first four bytes of the side data are the number of samples, little endian (FFmpeg's AV_PKT_DATA_SKIP_SAMPLES).
    """
    if media.sound is None or not packet.has_sidedata("skip_samples"):
        return 0.0
    return (
        int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little") / media.sound.codec_context.sample_rate
    )


def _with_picture(info: MediaInfo, media: MediaFile, span: _Span) -> MediaInfo:
    first = next(media.video_frames(0.0))  # the display matrix comes with a frame
    stream = media.needed_picture()
    aspect = pixel_aspect(stream)
    width, height = round(first.width * aspect), first.height
    if right_angles(first) % 2:
        width, height, aspect = height, width, 1 / aspect
    seconds = span.end - span.begin
    return replace(
        info,
        width=width,
        height=height,
        pixel_aspect=aspect,
        fps=span.count / seconds if seconds else 0.0,
        picture_start=span.begin,
        picture_seconds=seconds,
        picture_codec=stream.codec_context.codec.canonical_name,
    )


def _with_sound(info: MediaInfo, media: MediaFile, span: _Span) -> MediaInfo:
    context = media.needed_sound().codec_context
    return replace(
        info,
        sound_start=span.begin,
        sound_seconds=span.end - span.begin,
        sound_codec=context.codec.canonical_name,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
    )
