from dataclasses import replace

import pytest
import torch
from clip_files import FPS, RATE, clicking_square, write_clicking_square

from asva_lightning.data import MediaFolder, build
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.follow_clips import choose_clips, read_sounding_clip
from asva_lightning.media import ClipFormat, write_clip

FORMAT = ClipFormat(frames=6, fps=6, height=48, width=64)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Six clips of a class to test, the third of them silent, and one of another class."""
    folder = tmp_path_factory.mktemp("sounding")
    for number in range(6):
        write_clicking_square(folder / "videos" / "test" / "bell" / f"{number}.mp4", number)
    pixels, waveform = clicking_square(2)
    write_clip(folder / "videos" / "test" / "bell" / "2.mp4", pixels, FPS, waveform * 0, RATE)
    write_clicking_square(folder / "videos" / "test" / "drum" / "6.mp4", 6, seconds=4.0)
    return Dataset.open(build(MediaFolder(str(folder)), folder / "shards").output).samples("test")


def test_the_middle_of_a_sample_with_the_sound_around_it(samples):
    clip = read_sounding_clip(samples[1], FORMAT, margin=0.5)
    pixels, waveform = clicking_square(1)
    assert clip.name.endswith("-1_00")  # one of three seconds, in the middle
    assert (clip.pixels[:, 0].float() - pixels[:, 12].float()).abs().mean() < 6
    assert torch.equal(clip.picture, clip.pixels[:, 0])
    for delay in (0.0, 0.5, -0.25):
        first = round((1 - delay) * RATE)
        true = waveform[first : first + RATE]
        assert torch.corrcoef(torch.stack([clip.heard(FORMAT, delay), true]))[0, 1] > 0.98
    with pytest.raises(ConfigurationError, match="cannot be delayed by 0.6 s"):
        clip.heard(FORMAT, 0.6)


def test_clips_are_spread_over_their_class_and_bad_ones_replaced(samples, caplog):
    torn = [replace(sample, size=100) if sample.key.endswith("4") else sample for sample in samples]
    chosen = choose_clips(torn, FORMAT, per_class=3)
    assert {category: [clip.name.split("-")[1] for clip in clips] for category, clips in chosen.items()} == {
        "bell": ["0", "1", "3"],  # 0, 2 and 4 were meant
        "drum": ["6"],
    }
    assert "bell/2 is passed over: it is silent in the middle, so there is nothing to follow." in caplog.text
    assert "bell/4 is passed over: " in caplog.text


def test_sources_that_are_too_short_are_left_out(samples, caplog):
    assert list(choose_clips(samples, FORMAT, per_class=1, margin=1.5)) == ["drum"]
    assert "6 of 7 clips are shorter than 4.00 s (1.00 s of clip, 1.5 s before and after) and left out." in caplog.text
    with pytest.raises(
        ConfigurationError, match=r"needs sources of 5.00 s .* but the longest has 4.00 s. Take shorter"
    ):
        choose_clips(samples, FORMAT, per_class=1, margin=2)


def test_two_clips_of_one_name_are_refused(samples):
    twin = replace(samples[0], key=samples[0].key.replace("/", "-"))
    with pytest.raises(ConfigurationError, match="Two clips are called 'bell-0-1_00' once they name files"):
        choose_clips([samples[0], twin], FORMAT, per_class=2)
