from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from asva_lightning.data import SynthSync
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import probe, read_frames, read_sound, write_clip

GREY = torch.full((3, 6, 16, 16), 100, dtype=torch.uint8)
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 100, 50)]


def flash_and_click(fps, at, seconds=3.0, rate=16_000):
    pixels = torch.zeros(3, round(seconds * fps), 32, 32, dtype=torch.uint8)
    waveform = torch.zeros(round(seconds * rate))
    for frame in at:
        pixels[:, frame] = 255
        waveform[round(frame / fps * rate)] = 0.9
    return pixels, waveform


@pytest.mark.parametrize("fps", [6, 25, 29.97, Fraction(30_000, 1001)])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_flash_and_click_stay_together_for_us_and_for_others(tmp_path, fps, rate):
    at = [0, round(1.2 * fps), round(2.5 * fps)]
    pixels, waveform = flash_and_click(fps, at, rate=rate)
    write_clip(tmp_path / "clip.mp4", pixels, fps, waveform, rate)

    frames = read_frames(tmp_path / "clip.mp4", [f / fps for f in range(pixels.shape[1])], 32, 32)
    assert (frames.float().mean((0, 2, 3)) > 128).nonzero().flatten().tolist() == at
    sound = read_sound(tmp_path / "clip.mp4", 16_000).abs()
    for frame in at:
        begin = max(0, round((frame / fps - 0.2) * 16_000))
        assert (begin + int(sound[begin:][:6400].argmax())) / 16_000 == pytest.approx(frame / fps, abs=0.002)

    with av.open(tmp_path / "clip.mp4") as container:
        flashes = [f.time for f in container.decode(video=0) if f.to_ndarray(format="gray").mean() > 128]
    with av.open(tmp_path / "clip.mp4") as container:
        loud = [
            f.time + int(np.abs(f.to_ndarray()[0]).argmax()) / f.sample_rate
            for f in container.decode(audio=0)
            if np.abs(f.to_ndarray()).max() > 0.3
        ]
    assert flashes == pytest.approx([frame / fps for frame in at], abs=0.001)
    for flash in flashes:
        assert min(abs(flash - click) for click in loud) < 0.01


@pytest.mark.parametrize(("height", "width", "enlarge"), [(32, 32, 1), (33, 35, 1), (5, 7, 3), (8, 8, 8), (2, 2, 1)])
def test_colours_and_sizes_survive(tmp_path, height, width, enlarge):
    pixels = torch.tensor(COLOURS, dtype=torch.uint8).T[:, :, None, None].expand(3, 7, height, width)
    write_clip(tmp_path / "clip.mp4", pixels, 7, None, 16_000, enlarge=enlarge, quality=8)
    info = probe(tmp_path / "clip.mp4")
    assert (info.height, info.width) == (-(-height * enlarge // 2) * 2, -(-width * enlarge // 2) * 2)
    frames = read_frames(tmp_path / "clip.mp4", [f / 7 for f in range(7)], height, width)
    assert (frames.int() - pixels.int()).abs().max() <= 4


def test_enlarging_makes_squares(tmp_path):
    pixels = torch.randint(0, 256, (1, 2, 6, 6), dtype=torch.uint8).expand(3, 2, 6, 6)
    write_clip(tmp_path / "clip.mp4", pixels, 2, None, 16_000, enlarge=4, quality=1)
    seen = read_frames(tmp_path / "clip.mp4", [0.0, 0.5], 24, 24)
    assert (seen.int() - pixels.repeat_interleave(4, -1).repeat_interleave(4, -2).int()).abs().max() <= 12


def test_the_file_is_what_players_expect(tmp_path):
    pixels, waveform = flash_and_click(30, [3])
    write_clip(tmp_path / "clip.mp4", pixels, 30, waveform, 16_000, keyframe_interval=10)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(tmp_path / "clip.mp4") as container:
        video, audio = container.streams.video[0].codec_context, container.streams.audio[0].codec_context
        assert (video.name, video.pix_fmt, audio.name, audio.sample_rate) == ("h264", "yuv420p", "aac", 48_000)
        tags = (video.colorspace, video.color_primaries, video.color_trc, video.color_range)
        assert tags == (1, 1, 1, 1)  # BT.709 three times, limited range
        keys = [
            packet.pts * packet.time_base for packet in container.demux(video=0) if packet.size and packet.is_keyframe
        ]
    assert max(b - a for a, b in zip(keys, keys[1:], strict=False)) <= Fraction(1, 3)
    info = probe(tmp_path / "clip.mp4")
    assert info.fps == pytest.approx(30, rel=0.001)
    assert info.sound_seconds == pytest.approx(3.0, abs=0.001)


def test_sound_keeps_its_loudness_and_length(tmp_path):
    waveform = 0.5 * torch.sin(torch.arange(16_000) * 0.2)  # begins and ends in full
    write_clip(tmp_path / "clip.mp4", GREY, 6, waveform, 16_000)
    sound = read_sound(tmp_path / "clip.mp4", 16_000)
    assert len(sound) == 16_000
    assert (sound - waveform)[20:-20].abs().max() < 0.05


def test_the_same_clip_gives_the_same_bytes_whatever_lies_in_memory(tmp_path):
    """Of this one x264 wrote 8 different files in 15 tries, before it was told not to look ahead by trees."""
    clip = SynthSync(kinds=["drum", "hammer", "firework"], train=240, two_objects=0.25).render("train", 25)
    random, written = np.random.default_rng(0), set()
    for _ in range(10):
        for size in random.integers(250, 500_000, 30):
            np.full(size, random.random(), np.float32)
        write_clip(tmp_path / "clip.mp4", clip.pixels, clip.fps, clip.waveform, 16_000, keyframe_interval=15)
        written.add((tmp_path / "clip.mp4").read_bytes())
    assert len(written) == 1


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(MediaError, match=r"taken.mp4: cannot be written: Is a directory"):
        write_clip(tmp_path / "taken.mp4", GREY, 6, None, 16_000)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.mp4"]
    with pytest.raises(MediaError, match=r"clip.mp4: cannot be written: No such file or directory"):
        write_clip(tmp_path / "nowhere" / "clip.mp4", GREY, 6, None, 16_000)


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path):
    write_clip(tmp_path / "clip.mp4", GREY, 6, None, 16_000)
    before = (tmp_path / "clip.mp4").read_bytes()
    too_wide = torch.zeros(3, 1, 2, 40_000, dtype=torch.uint8)
    with pytest.raises(MediaError, match="clip.mp4: cannot be written"):
        write_clip(tmp_path / "clip.mp4", too_wide, 6, None, 16_000)
    assert (tmp_path / "clip.mp4").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": GREY.float()}, r"pixels must be uint8 \(3, f, h, w\)"),
        ({"pixels": GREY[:, :0]}, r"pixels must be uint8"),
        ({"waveform": torch.zeros(2, 100)}, r"waveform must be \(samples,\)"),
        ({"waveform": torch.full((100,), torch.nan)}, r"finite"),
        ({"fps": 0}, r"fps must be from 0.001 to 1000"),
        ({"fps": float("nan")}, r"fps must be"),
        ({"sample_rate": 0}, r"sample_rate >= 1"),
        ({"enlarge": 0}, r"enlarge and keyframe_interval must be >= 1"),
        ({"keyframe_interval": 0}, r"keyframe_interval must be >= 1"),
        ({"quality": 52}, r"quality from 0 to 51"),
    ],
)
def test_wrong_settings_are_told(tmp_path, change, message):
    given = {"pixels": GREY, "fps": 6, "waveform": None, "sample_rate": 16_000} | change
    with pytest.raises(ConfigurationError, match=message):
        write_clip(tmp_path / "clip.mp4", **given)
