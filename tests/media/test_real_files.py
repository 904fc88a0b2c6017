"""Files as the world has them: each is read rightly, or gives one typed error that names it.

    ASVA_REAL_FILES=folder python -m pytest tests/media/test_real_files.py

looks at every file of a folder of your own. Without it there are the few files below, so that this test is never idle.
"""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from asva_lightning.errors import MediaError
from asva_lightning.media import ClipFormat, Encoding, probe, read_clip, read_sound, reencode
from asva_lightning.training.encode_clip import frame_times

FOLDER = os.environ.get("ASVA_REAL_FILES")
GENERATED = ("clip.mp4", "cut_off.mp4", "empty.mp4", "irregular.webm", "silent.mkv", "sound.wav", "text.mp4")
NAMES = sorted(path.name for path in Path(FOLDER).iterdir() if path.is_file()) if FOLDER else GENERATED
FORMAT = ClipFormat(frames=6, fps=6, height=32, width=32)
UNHURT = {"clip.mp4", "irregular.webm", "silent.mkv", "sound.wav"}
"""Of the generated files, those that have to be read."""


@pytest.fixture(scope="module")
def folder(factory, tmp_path_factory) -> Path:
    """The folder that was named, or generated files."""
    if FOLDER:
        return Path(FOLDER)
    made = tmp_path_factory.mktemp("files")
    grey, tone = factory.grey(30), factory.tone(3.0)
    clip = factory.make("mp4", grey, sound=tone)
    times = [float(time) for time in np.cumsum([0.05, 0.1, 0.15] * 10)]
    for name, content in {
        "clip.mp4": clip,
        "cut_off.mp4": clip[: len(clip) // 2],
        "empty.mp4": b"",
        "irregular.webm": factory.make("webm", grey, times, codec="libvpx", sound=tone, sound_codec="libopus"),
        "silent.mkv": factory.make("matroska", grey),
        "sound.wav": factory.make("wav", sound=tone, sound_codec="pcm_f32le", sound_format="flt"),
        "text.mp4": b"an error page of a web server",
    }.items():
        (made / name).write_bytes(content)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_rightly_or_named_in_one_error(folder, tmp_path, name):
    path = folder / name
    info = tried(lambda: probe(path), path)
    unhurt = has_no_complaint(path) if FOLDER else name in UNHURT
    if info is None:
        assert not unhurt, "the programs of FFmpeg read it"
        for read in (lambda: read_clip(path, FORMAT), lambda: read_sound(path), lambda: frame_times(path)):
            assert tried(read, path) is None, "what cannot be looked at cannot be read"
        return
    if shutil.which("ffprobe"):
        compare_with_ffprobe(path, info, unhurt)
    check_picture(path, info, unhurt)
    check_sound(path, info, unhurt)
    check_both(path, info, unhurt, tmp_path / "again.mp4")


def tried(read: Callable, path: Path):
    """What a reader gives, or nothing where it raises its one error; every other error fails the test."""
    try:
        return read()
    except MediaError as error:
        told = error
    assert str(told).startswith(f"{path}: ")
    assert told.reason.strip()
    return None


def tried_track(read: Callable, path: Path, present: bool, unhurt: bool):
    """What a reader gives of picture or sound: nothing if the file has none, something if it has and is unhurt."""
    found = tried(read, path)
    assert found is None or present
    assert found is not None or not (present and unhurt)
    return found


def has_no_complaint(path: Path) -> bool:
    """Whether FFmpeg decodes the whole file, and something of it, without a word."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        return False
    words = ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0 and not done.stderr and bool(ffprobe(path, "-show_packets")["packets"])


def check_picture(path, info, unhurt):
    times = tried_track(lambda: frame_times(path), path, info.has_picture, unhurt)
    if times is not None:
        assert (np.diff(times) >= 0).all()
        assert times[-1] == pytest.approx(info.picture_seconds, abs=max(0.05, 1.5 / info.fps)) or not unhurt


def check_sound(path, info, unhurt):
    heard = tried_track(lambda: read_sound(path), path, info.has_sound, unhurt)
    if heard is not None:
        assert bool(torch.isfinite(heard).all())
        end = info.sound_start + info.sound_seconds
        assert len(heard) / ClipFormat.sample_rate == pytest.approx(end, abs=0.1) or not unhurt


def check_both(path, info, unhurt, again):
    long_enough = info.seconds >= FORMAT.seconds + 0.5
    for start in (info.start, max(info.start, info.start + info.seconds - FORMAT.seconds - 0.25)):
        clip = tried(lambda start=start: read_clip(path, FORMAT, max(0.0, start)), path)
        assert clip is not None or not (unhurt and long_enough)
        assert clip is None or info.seconds > 0
        if clip is not None:
            assert clip.pixels.shape == (3, 6, 32, 32)
            assert clip.waveform.shape == (FORMAT.samples,)
            assert bool(torch.isfinite(clip.waveform).all())
    ended = min(info.start + info.seconds, max(0.0, info.start) + 1.5)
    tried(lambda: reencode(path, again, Encoding(32, sound_rate=16_000), max(0.0, info.start), ended), path)
    assert again.exists() or not (unhurt and long_enough)
    if again.exists():
        small = probe(again)
        assert small.has_picture
        assert small.has_sound
        assert (small.picture_codec, small.sound_codec) == ("h264", "flac")


def compare_with_ffprobe(path, info, unhurt):
    """Codecs, sizes, rates and the length of the picture as ffprobe tells them."""
    told = ffprobe(path, "-show_streams")["streams"]
    pictures = [track for track in told if track["codec_type"] == "video" and not is_cover(track)]
    sounds = [track for track in told if track["codec_type"] == "audio"]
    assert info.has_picture <= bool(pictures)
    assert info.has_sound <= bool(sounds)
    if info.has_picture:
        track = pictures[0]
        wide, _, high = track.get("sample_aspect_ratio", "1:1").partition(":")
        aspect = int(wide) / int(high) if int(wide) and int(high) else 1.0
        assert info.picture_codec == track["codec_name"]
        # Turned pictures have their sides exchanged.
        assert sorted((info.height, info.width)) == pytest.approx(
            sorted((track["height"], track["width"] * aspect)), abs=1
        )
        begin, end = span(path, track["index"])
        frame = max(0.05, 1.5 / info.fps)
        # A file that is cut off may end in packets that cannot be decoded.
        assert info.picture_seconds == pytest.approx(end - begin, abs=frame if unhurt else frame + 0.5)
    if info.has_sound:
        track = sounds[0]
        assert (info.sound_codec, info.sample_rate) == (track["codec_name"], int(track["sample_rate"]))
        assert info.channels == track["channels"]


def is_cover(track: dict) -> bool:
    return bool(track["disposition"]["attached_pic"])


def span(path: Path, index: int) -> tuple[float, float]:
    """When the first packet of a track begins and the last one ends, in seconds."""
    packets = ffprobe(path, "-show_packets", "-select_streams", str(index))["packets"]
    shown = [packet for packet in packets if "D" not in packet["flags"]]
    begins = [float(packet.get("pts_time", packet.get("dts_time", "nan"))) for packet in shown]
    ends = [begin + float(packet.get("duration_time", 0)) for begin, packet in zip(begins, shown)]
    return min(begins, default=math.nan), max(ends, default=math.nan)


def ffprobe(path: Path, *words: str) -> dict:
    done = subprocess.run(["ffprobe", "-v", "quiet", "-of", "json", *words, path], capture_output=True, check=True)
    return json.loads(done.stdout)
