"""The world's files read by this package and by the programs of FFmpeg: the same frames, sound and lengths."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from odd_files import turn, write_odd
from PIL import Image
from test_odd_files import GOOD

from asva_lightning.media import ClipFormat, probe, read_clip, read_sound

pytestmark = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")),
    reason="compares with the programs ffmpeg and ffprobe, which are not installed here",
)

FRAME = 1 / 12 + 0.001
"""Seconds; times are rounded."""
MIX = {1: [1.0], 2: [1.0, 1.0], 6: [1.0, 1.0, 2**0.5, 0.0, 0.5**0.5, 0.5**0.5]}
"""Weights of the channels by their number, before they are made to sum to 1: those of ITU-R BS.775."""
TURNED = {f"turned_{quarter}.mp4": quarter for quarter in (1, 2, 3)}


def run(*command: str) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=240).stdout


def frames(path: Path, kind: str) -> list[tuple[float, float]]:
    """When each frame of a track begins, on the file's own clock, and for how long it lasts (0 where untold)."""
    names = "frame=stream_index,media_type,best_effort_timestamp_time,pkt_duration_time,duration_time"  # last: newer
    found = json.loads(run("ffprobe", "-v", "error", "-show_entries", names, "-of", "json", str(path)))["frames"]
    found = [frame for frame in found if frame.get("media_type") == kind]  # subtitles have none
    track = min(frame["stream_index"] for frame in found)
    return [
        (
            float(frame["best_effort_timestamp_time"]),
            float(frame.get("duration_time", frame.get("pkt_duration_time", 0))),
        )
        for frame in found
        if frame["stream_index"] == track
    ]


def decode(path: Path, height: int, width: int, channels: int) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
    """Width and height as a player shows them, all frames ``(n, height, width, 3)``, and the sound at its own rate."""
    first, raw, samples = (path.with_suffix(ending) for ending in (".png", ".rgb", ".f32"))
    run(
        "ffmpeg", "-v", "error", "-y", "-i", str(path),
        "-map", "0:v:0", "-frames:v", "1", "-update", "1", str(first),
        "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", f"scale={width}:{height}:flags=area",
        "-pix_fmt", "rgb24", "-f", "rawvideo", str(raw),
        "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", str(samples),
    )  # fmt: skip
    weights = np.array(MIX[channels])
    return (
        Image.open(first).size,
        np.frombuffer(raw.read_bytes(), np.uint8).reshape(-1, height, width, 3),
        np.frombuffer(samples.read_bytes(), np.float32).reshape(-1, channels) @ (weights / weights.sum()),
    )


@pytest.fixture(scope="module", params=[*GOOD, *TURNED])
def both(request, tmp_path_factory):
    """One file as FFmpeg's programs see it: times from its first frame on."""
    path = write_odd(tmp_path_factory.mktemp("both") / request.param, **GOOD.get(request.param, {}))
    quarter = TURNED.get(request.param, 0)
    if quarter:
        turn(path, quarter)
    size = (32, 24) if quarter % 2 else (24, 32)
    info, shown, heard = probe(path), frames(path, "video"), frames(path, "audio")
    zero = shown[0][0]
    shown_size, pictures, waveform = decode(path, *size, info.channels)
    return SimpleNamespace(
        path=path,
        info=info,
        size=size,
        shown_size=shown_size,
        times=np.array([time for time, _ in shown]) - zero,
        picture_end=max(time + seconds for time, seconds in shown) - zero,
        pictures=pictures,
        waveform=waveform,
        sound_begin=heard[0][0] - zero,
    )


def test_sizes_and_lengths_are_those_of_ffmpeg(both):
    assert (both.info.width, both.info.height) == both.shown_size
    assert both.info.picture_seconds == pytest.approx(both.picture_end, abs=FRAME)
    assert both.info.sound_start == pytest.approx(both.sound_begin, abs=FRAME)
    sound_end = both.sound_begin + len(both.waveform) / both.info.sample_rate
    assert both.info.sound_start + both.info.sound_seconds == pytest.approx(sound_end, abs=FRAME)


@pytest.mark.parametrize("start", [0.0, 0.6])
def test_a_clip_shows_the_frames_that_ffmpeg_has_nearest(both, start):
    assert len(both.pictures) == len(both.times)
    format = ClipFormat(frames=8, fps=4, height=both.size[0], width=both.size[1])
    asked = start + np.arange(format.frames) / format.fps
    nearest = [np.abs(both.times - time).argmin() for time in asked]
    clip = read_clip(both.path, format, start).pixels.permute(1, 2, 3, 0).numpy().astype(float)
    off = np.abs(clip - both.pictures[nearest])
    inner = off[:, 2:-2, 2:-2].mean(axis=(1, 2, 3))  # another filter blurs the edge in the middle otherwise
    assert inner.max() < 3, "neighbouring frames differ by four, turned ones by more than ten"


def test_the_sound_is_as_loud_and_as_late_as_ffmpegs(both):
    rate = both.info.sample_rate
    place = round(both.sound_begin * rate)
    theirs = np.zeros(2 * rate)
    heard = both.waveform[max(0, -place) : 2 * rate - place]
    theirs[max(0, place) : max(0, place) + len(heard)] = heard
    ours = read_sound(both.path, rate, 0.0, 2.0).numpy()
    loud = np.sqrt(np.mean(theirs**2))
    assert loud > 0.005
    assert np.sqrt(np.mean(ours**2)) == pytest.approx(loud, rel=0.03)
    assert first_loud(ours) / rate == pytest.approx(first_loud(theirs) / rate, abs=0.003)


def first_loud(waveform: np.ndarray) -> int:
    return int(np.argmax(np.abs(waveform) > 0.5 * np.abs(waveform).max()))
