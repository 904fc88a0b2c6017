"""A generator of the files that people have: every one tells, by what it shows and sounds, how it must be read.

The picture at ``t`` seconds has the brightness ``20 + 40 t``, and is brighter by 40 in its upper half. The sound is a
faint tone with one loud click, which begins at ``CLICK`` seconds after the first frame.
"""

import struct
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLICK, SECONDS = 1.5, 3.0
RATE = 48_000
HEIGHT, WIDTH = 48, 64
REGULAR = [number / 12 for number in range(round(SECONDS * 12))]


def brightness(seconds: float) -> float:
    """Of the lower half of the picture at a time."""
    return 20 + 40 * seconds


def write_odd(
    path: Path,
    times: Sequence[float] = REGULAR,
    codecs: tuple[str, str] = ("libx264", "aac"),
    layout: str = "mono",
    pictures: int = 1,
    sounds: int = 1,
    late: float = 0.0,
    channel: int = 0,
    options: dict[str, str] | None = None,
    subtitles: bool = False,
) -> Path:
    """Write a file.

    Args:
        path: The file; its ending chooses the container.
        times: When frames are shown, in seconds.
        codecs: Encoders of picture and sound.
        layout: Layout of the sound.
        pictures: Number of picture tracks; all but the first are black.
        sounds: Number of sound tracks; all but the first are silent.
        late: By how many seconds everything is moved to later times.
        channel: The channel that holds the sound.
        options: Options of the picture's encoder.
        subtitles: Whether a track of subtitles stands before all others.
    """
    if subtitles:
        with tempfile.TemporaryDirectory() as folder:
            plain = write_odd(Path(folder) / path.name, times, codecs, layout, pictures, sounds, late, channel, options)
            return add_subtitles(plain, path)
    base = Fraction(1, 12_000)
    with av.open(str(path), "w") as container:
        videos, audios = [], []
        for _ in range(pictures):
            video = container.add_stream(codecs[0], rate=12, options=options or {})
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            video.time_base = video.codec_context.time_base = base
            videos.append(video)
        for _ in range(sounds):
            audios.append(container.add_stream(codecs[1], rate=RATE, layout=layout))
        for number, video in enumerate(videos):
            for time in times:
                picture = _picture(time) * (number == 0)
                frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
                frame.pts, frame.time_base = round((time + late) / base), base
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        for number, audio in enumerate(audios):
            samples = np.zeros((len(av.AudioLayout(layout).channels), round(SECONDS * RATE)), np.float32)
            samples[channel] = _sound() * (number == 0)
            for begin in range(0, samples.shape[1], 1024):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, begin : begin + 1024]), format="fltp", layout=layout
                )
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = begin + round(late * RATE)
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def add_subtitles(path: Path, target: Path) -> Path:
    """Copy a file, with a track of subtitles before those that it has."""
    lines = path.with_suffix(".srt")
    lines.write_text("1\n00:00:00,500 --> 00:00:02,500\na dog barks\n")
    with av.open(str(path)) as media, av.open(str(lines)) as text, av.open(str(target), "w") as container:
        copies = {track: container.add_stream_from_template(track) for track in (*text.streams, *media.streams)}
        for packet in [*text.demux(), *media.demux()]:
            if packet.size:  # the last ones are empty
                packet.stream = copies[packet.stream]
                container.mux(packet)
    return target


def turn(path: Path, quarter_turns: int) -> Path:
    """Tell the player of an mp4 file to turn the picture clockwise: the matrix of its track header."""
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns]
    matrix = [cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30]
    content = bytearray(path.read_bytes())
    place = (
        content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    )  # version and flags, times and number, reserved, layer to volume
    content[place : place + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(bytes(content))
    return path


def _picture(time: float) -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH), round(brightness(time)), np.uint8)
    picture[: HEIGHT // 2] += 40
    return picture


def _sound() -> np.ndarray:
    seconds = np.arange(round(SECONDS * RATE)) / RATE
    click = (seconds >= CLICK) & (seconds < CLICK + 0.05)
    return np.sin(2 * np.pi * 1000 * seconds) * np.where(click, 0.8, 0.02)
