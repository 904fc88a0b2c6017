"""Makes real media files of every odd kind, without the package's own writer."""

import io
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray


def grey_frames(count: int, height: int = 32, width: int = 32, step: int = 4) -> list[NDArray[np.uint8]]:
    """Frames that tell their number by their brightness: frame k has the value 16 + step * k."""
    return [np.full((height, width, 3), 16 + step * k, np.uint8) for k in range(count)]


def number(pixels: NDArray[np.uint8], step: int = 4) -> list[int]:
    """The numbers of grey frames ``(3, f, h, w)``."""
    return [round((float(v) - 16) / step) for v in np.asarray(pixels, np.float64).mean((0, 2, 3))]


def make_media(
    form: str = "mp4",
    frames: Sequence[NDArray[np.uint8]] | None = None,
    times: Sequence[float] | None = None,
    fps: float = 10,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    matrix: Sequence[int] | None = None,
    pixel_aspect: Fraction = Fraction(1),
    sound: NDArray[np.generic] | None = None,
    sound_times: Sequence[float] = (0.0,),
    sound_rate: int = 48_000,
    sound_codec: str = "aac",
    sound_format: str = "fltp",
    layout: str = "mono",
    container_options: dict[str, str] | None = None,
    title: str = "",
) -> bytes:
    """A file with frames shown at ``times`` (else regularly) and sound (channels, samples) in blocks of 1024.

    ``sound_times``: where each of so many equal parts of the sound begins.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form, options=container_options or {}) as container:
        container.metadata["title"] = title
        rate = Fraction(fps).limit_denominator(1001)
        base = 1 / rate if times is None else Fraction(1, 90_000)
        if frames is not None:
            video = container.add_stream(codec, rate=rate, options=options or {})
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt, video.codec_context.time_base = "yuv420p", base
            video.set_display_matrix(matrix)
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if sound is not None:
            audio = container.add_stream(sound_codec, rate=sound_rate, layout=layout)
            audio.codec_context.format = sound_format
        if frames is not None:
            stamps = range(len(frames)) if times is None else [round(time / base) for time in times]
            encode_frames(container, video, frames, stamps, base)
        if sound is not None:
            encode_sound(container, audio, sound, [round(time * sound_rate) for time in sound_times])
    return buffer.getvalue()


def encode_frames(container, video, frames, stamps, base):
    for picture, stamp in zip(frames, stamps):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = stamp, base
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def encode_sound(container, audio, sound, starts):
    form, layout, rate = audio.codec_context.format, audio.codec_context.layout, audio.codec_context.sample_rate
    for start, part in zip(starts, np.array_split(sound, len(starts), axis=1)):
        for begin in range(0, part.shape[1], 1024):
            block = part[:, begin : begin + 1024]
            block = block if form.is_planar else block.T.reshape(1, -1)
            piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=form.name, layout=layout.name)
            piece.sample_rate, piece.time_base, piece.pts = rate, Fraction(1, rate), start + begin
            container.mux(audio.encode(piece))
    container.mux(audio.encode(None))


def tone(seconds: float, rate: int = 48_000, frequency: float = 440.0, loudness: float = 0.5) -> NDArray[np.float32]:
    """A sine ``(1, samples)``."""
    return (loudness * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)[None]


class MediaFactory:
    """The helpers above, as the fixture ``factory`` gives them."""

    make: Callable[..., bytes] = staticmethod(make_media)
    grey: Callable[..., list[NDArray[np.uint8]]] = staticmethod(grey_frames)
    number: Callable[..., list[int]] = staticmethod(number)
    tone: Callable[..., NDArray[np.float32]] = staticmethod(tone)


@pytest.fixture(scope="session")
def factory() -> type[MediaFactory]:
    return MediaFactory
