"""Encoding files again: what is kept, what becomes smaller, and what it costs in memory."""

import io
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipFormat, Encoding, probe, read_clip, read_frames, read_sound, reencode
from asva_lightning.media.container import open_media
from asva_lightning.media.sound_blocks import sound_blocks

TURNED = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)


@pytest.fixture
def write(factory, tmp_path):
    def written(name="in.mp4", **options):
        path = tmp_path / name
        path.write_bytes(factory.make("matroska" if name.endswith("mkv") else "mp4", **options))
        return path

    return written


def frames_of(path):
    """Time and brightness of every frame, and which of them are keyframes."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [frame.time for frame in frames]
    return times, [frame.to_ndarray(format="gray").mean() for frame in frames], [frame.key_frame for frame in frames]


def test_irregular_frames_keep_their_times_and_the_last_its_length(factory, write, tmp_path):
    shown = [0.0, 0.05, 0.4, 0.41, 1.0, 2.5, 2.52, 3.0, 3.04, 3.08]
    source = write("in.mkv", frames=factory.grey(10, step=20), times=shown, sound=factory.tone(3.2))
    reencode(source, tmp_path / "out.mp4", Encoding(16, gop=3))
    times, values, keys = frames_of(tmp_path / "out.mp4")
    assert times == pytest.approx(shown, abs=1e-3)  # Matroska's own times are whole milliseconds
    assert values == pytest.approx(frames_of(source)[1], abs=4)
    assert max(np.diff(np.flatnonzero([*keys, True]))) <= 3
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert after.picture_seconds == pytest.approx(before.picture_seconds, abs=2e-3)
    assert after.seconds == pytest.approx(min(before.seconds, before.picture_seconds), abs=2e-3)
    assert (after.height, after.width) == (16, 16)
    assert after.picture_codec == "h264"


def test_a_frame_rate_of_television_is_kept_exactly(factory, write, tmp_path):
    source = write(frames=factory.grey(45), fps=30000 / 1001, sound=factory.tone(1.5))
    reencode(source, tmp_path / "out.mp4", Encoding())
    assert frames_of(tmp_path / "out.mp4")[0] == pytest.approx([n * 1001 / 30000 for n in range(45)], abs=1e-9)


@pytest.mark.parametrize(("start", "late"), [(0.0, 0.0), (0.0, 0.3), (1.2, 0.0)])
def test_sound_stays_in_step(factory, write, tmp_path, start, late):
    """A click in the sound, also where the sound begins after the picture, or a part is cut out."""
    sound = factory.tone(4.0, loudness=0.02)
    click = round(2.0 * 48_000)
    sound[:, click : click + 400] = 0.8
    source = write(frames=factory.grey(45, step=5), sound=sound, sound_times=(late,))
    reencode(source, tmp_path / "out.mp4", Encoding(sound_rate=16_000), start, 3.6)
    there, here = read_sound(source, start=start, seconds=2.4), read_sound(tmp_path / "out.mp4", seconds=2.4)
    assert (there - here).abs().max() < 0.02
    assert int(here.abs().argmax()) / 16_000 == pytest.approx(2.0 + late - start, abs=0.02)
    after = probe(tmp_path / "out.mp4")
    assert (after.sound_codec, after.sample_rate, after.channels) == ("flac", 16_000, 1)
    assert after.sound_start == pytest.approx(max(0.0, probe(source).sound_start - start), abs=1e-3)
    assert after.picture_seconds == pytest.approx(3.6 - start, abs=0.001)
    assert after.sound_start + after.sound_seconds == pytest.approx(3.6 - start, abs=0.001)


def test_a_part_begins_with_its_first_frame(factory, write, tmp_path):
    source = write(frames=factory.grey(50), sound=factory.tone(5.0))
    reencode(source, tmp_path / "out.mp4", Encoding(), 1.25, 3.0)
    times, values, _ = frames_of(tmp_path / "out.mp4")
    assert times == pytest.approx([n / 10 for n in range(17)], abs=1e-4)
    assert values == pytest.approx(frames_of(source)[1][13:30], abs=3)


def test_what_is_read_from_it_is_what_was_read_before(factory, write, tmp_path):
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 255, (20, 3, 5, 3), dtype=np.uint8)
    frames = [np.asarray(Image.fromarray(picture).resize((192, 108), Image.Resampling.BICUBIC)) for picture in coarse]
    source = write(frames=frames, sound=factory.tone(2.0), options={"crf": "5"})
    reencode(source, tmp_path / "out.mp4", Encoding(64))
    format = ClipFormat(frames=8, fps=5, height=64, width=64)
    before, after = (read_clip(path, format, 0.3).pixels.float() for path in (source, tmp_path / "out.mp4"))
    difference = (before - after).abs().mean()
    assert difference < 4
    for step, axis in ((1, -1), (-1, -1), (1, -2), (-1, -2)):  # half a pixel aside, and one of them would be nearer
        assert (before - after.roll(step, axis)).abs().mean() > 1.4 * difference
    assert (before - after).mean((1, 2, 3)).abs().max() < 2  # and the colours are the same


def test_turned_pictures_and_wide_pixels_become_upright_and_square(factory, write, tmp_path):
    frames = [np.zeros((32, 64, 3), np.uint8) for _ in range(10)]
    for frame in frames:
        frame[:16, :32] = 255
    source = write(frames=frames, sound=factory.tone(1.0), matrix=TURNED, pixel_aspect=2)
    reencode(source, tmp_path / "out.mp4", Encoding(32))
    before, after = probe(source), probe(tmp_path / "out.mp4")
    assert (before.height, before.width) == (128, 32)
    assert (after.height, after.width) == (128, 32)
    pictures = [read_frames(path, [0.5], 128, 32).float() for path in (source, tmp_path / "out.mp4")]
    assert (pictures[0] - pictures[1]).abs().mean() < 8


@pytest.mark.parametrize(
    ("source", "wanted", "size"),
    [
        ((360, 640), (256, None), (256, 456)),
        ((640, 360), (256, None), (456, 256)),
        ((256, 456), (128, 256), (144, 256)),
        ((240, 320), (256, None), (240, 320)),
        ((361, 641), (None, None), (361, 641)),
    ],
)
def test_pictures_cover_what_is_asked_for_and_are_never_enlarged(source, wanted, size):
    assert Encoding(*wanted).size(*source) == size


def test_memory_does_not_grow_with_length(factory, write, tmp_path):
    refs, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    picture = np.zeros((480, 640, 3), np.uint8)
    source = write(frames=[picture] * 400, sound=factory.tone(40.0), options={"preset": "ultrafast"})
    reencode(source, tmp_path / "first.mp4", Encoding(16), end=2.0)  # what every file costs
    refs.write_text("5")  # begin a new high-water mark
    peak = [int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])]
    reencode(source, tmp_path / "out.mp4", Encoding(16))
    peak.append(int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]))
    assert (peak[1] - peak[0]) / 1024 < 60, "400 frames are 350 MiB"


def test_blocks_of_sound_join_over_holes_and_overlaps(factory):
    sound = (factory.tone(3.0) * 32767).astype(np.int16)
    parts = {"sound_times": (0.0, 1.5, 4.2), "sound_codec": "pcm_s16le", "sound_format": "s16"}
    data = factory.make("matroska", sound=sound, **parts)
    with open_media(io.BytesIO(data)) as media:
        blocks = list(sound_blocks(media, 0.5))
    assert [block.first for block in blocks[1:]] == [block.first + len(block.samples) for block in blocks[:-1]]
    joined = np.concatenate([block.samples for block in blocks])
    assert (blocks[0].first + len(joined)) / 48_000 == pytest.approx(5.2 - 0.5, abs=0.01)
    whole = read_sound(io.BytesIO(data), 48_000, 0.5).numpy()[blocks[0].first :]
    assert np.abs(joined[: len(whole)] - whole[: len(joined)]).max() < 1e-4


def test_what_cannot_be_encoded_again_is_told(factory, write, tmp_path):
    silent = write("silent.mp4", frames=factory.grey(20))
    source = write(frames=factory.grey(50), sound=factory.tone(1.0))
    mute = write("mute.mp4", frames=factory.grey(20), sound=factory.tone(1.0), sound_times=(3.0,))
    cases = [
        ((silent, 0.0), "has no sound"),
        ((mute, 0.0), "no sound before 2"),
        ((source, 9.0), "no frame from 9.000 s on"),
        ((source, 3.0), "no sound from 3"),
    ]
    for (path, start), message in cases:
        with pytest.raises(MediaError, match=message):
            reencode(path, tmp_path / "out.mp4", Encoding(), start)
    assert not (tmp_path / "out.mp4").exists()
    for options, message in (
        ({"height": 1}, "--height must be at least 2, not 1"),
        ({"gop": 0}, "--gop must be at least 1"),
        ({"height": 8, "sound_rate": 10}, "--sound_rate must be at least 1000"),
        ({"quality": 60}, "--quality must be from 0 to 51"),
        ({"width": 64}, "--width needs --height"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Encoding(**options)
