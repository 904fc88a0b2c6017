import json

import numpy as np
import pytest
import torch

from asva_lightning.diffusion import Pair, enlargement, generate, share
from asva_lightning.diffusion.generate import clip_name
from asva_lightning.encoders import PixelCodec
from asva_lightning.errors import WeightsError
from asva_lightning.evaluation.generators import Request
from asva_lightning.evaluation.pipeline_generator import PipelineGenerator
from asva_lightning.media import ClipFormat, probe, read_clip


@pytest.fixture(scope="module")
def pairs(pipeline):
    samples = pipeline.format.samples
    time = torch.arange(samples) / pipeline.format.sample_rate
    made = []
    for number in range(3):
        picture = torch.zeros(3, 16, 24, dtype=torch.uint8)
        picture[number, 4:12, 6:18] = 200
        waveform = 0.4 * torch.sin(2 * torch.pi * (300 + 200 * number) * time)
        made.append(Pair(f"clip-{number}", picture, waveform, text=("a drum", "a lamp", "")[number], number=number))
    return made


@pytest.fixture(scope="module")
def animations(pipeline, pairs):
    return generate(pipeline, pairs, seed=5)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batch_size_does_not_change_the_videos(pipeline, pairs, animations, batch_size):
    again = generate(pipeline, pairs, seed=5, batch_size=batch_size)
    assert [animation.pair for animation in again] == pairs
    for one, other in zip(again, animations):
        # One grey level for the rounding of sums in another order.
        assert (one.pixels.int() - other.pixels.int()).abs().max() <= 1


def test_noise_depends_on_seed_and_number_not_on_place_or_key(pipeline, pairs, animations):
    alone = Pair("renamed", pairs[2].picture, pairs[2].waveform, pairs[2].text, number=2)
    [same] = generate(pipeline, [alone], seed=5)
    assert (same.pixels.int() - animations[2].pixels.int()).abs().max() <= 1
    renumbered = Pair("clip-2", pairs[2].picture, pairs[2].waveform, pairs[2].text, number=3)
    for changed in (generate(pipeline, [renumbered], seed=5)[0], generate(pipeline, [pairs[2]], seed=6)[0]):
        assert (changed.pixels.int() - animations[2].pixels.int()).abs().max() > 50


def test_nothing_to_animate(pipeline, tmp_path):
    assert generate(pipeline, [], tmp_path / "samples") == []


def test_files_hold_the_videos_with_their_sound(pipeline, pairs, animations, tmp_path):
    written = generate(pipeline, pairs, tmp_path / "samples", seed=5, about={"step": 40})
    files = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert files == [f"clip-{number}.{kind}" for number in range(3) for kind in ("json", "mp4")]
    for animation, same in zip(written, animations):
        assert torch.equal(animation.pixels, same.pixels)
        path = tmp_path / "samples" / f"{animation.pair.key}.mp4"
        assert (probe(path).height, probe(path).width) == (128, 192)
        clip = read_clip(path, ClipFormat(frames=4, fps=8, height=128, width=192))
        pixels = clip.pixels[..., 4::8, 4::8].int()  # each pixel became a square of 8 by 8
        difference = (pixels - animation.pixels.int()).abs().float().mean(dim=(0, 2, 3))
        assert difference.max() < 8
        assert difference[0] < 2
        assert np.corrcoef(clip.waveform, animation.pair.waveform)[0, 1] > 0.95


def test_facts_beside_a_video(pipeline, pairs, tmp_path):
    generate(pipeline, pairs[:1], tmp_path, seed=5, about={"step": 40})
    assert json.loads((tmp_path / "clip-0.json").read_text()) == {
        "key": "clip-0",
        "text": "a drum",
        "number": 0,
        "guidance": {"audio": 4.0, "text": 1.0, "sync": 0.0},
        "steps": 3,
        "format": {"frames": 4, "fps": 8, "height": 16, "width": 24, "sample_rate": 16000},
        "video": "clip-0.mp4",
        "seed": 5,
        "step": 40,
    }


def test_a_key_may_name_a_folder_and_hold_dots(pipeline, pairs, tmp_path):
    pair = Pair("a_drum/take.1", pairs[0].picture, pairs[0].waveform)
    generate(pipeline, [pair], tmp_path)
    assert sorted(path.name for path in (tmp_path / "a_drum").iterdir()) == ["take.1.json", "take.1.mp4"]
    assert json.loads((tmp_path / "a_drum" / "take.1.json").read_text())["video"] == "take.1.mp4"
    assert read_clip(tmp_path / "a_drum" / "take.1.mp4", ClipFormat(4, 8, 16, 24)).pixels.shape == (3, 4, 16, 24)


@pytest.mark.parametrize("world_size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_ranks_share_all_items_equally(count, world_size):
    parts = [share(count, rank, world_size) for rank in range(world_size)]
    assert {item for part in parts for item in part} == set(range(count))
    assert {len(part) for part in parts} == {-(-count // world_size)}
    assert count % world_size or sorted(sum(parts, [])) == list(range(count))


def test_a_clip_is_named_after_its_sample_and_start():
    assert clip_name("a_drum/take.1", 2.5) == "a_drum-take_1-2_50"
    assert clip_name("frog", 0.0) == "frog-0_00"


@pytest.mark.parametrize(
    ("height", "width", "times"), [(32, 32, 4), (16, 24, 8), (100, 300, 2), (128, 256, 1), (256, 256, 1)]
)
def test_small_pictures_are_enlarged_to_128_pixels(height, width, times):
    assert enlargement(height, width) == times


def test_a_sample_that_is_no_number_says_so(pipeline, pairs, tmp_path, caplog, monkeypatch):
    decode = PixelCodec.decode

    def broken(self, latents):
        frames = decode(self, latents)
        frames[-1, 0, 2, 5, 5] = torch.nan
        return frames

    monkeypatch.setattr(PixelCodec, "decode", broken)
    made = generate(pipeline, pairs[:2], tmp_path, seed=5)
    assert [animation.finite for animation in made] == [True, False]
    assert "finite" not in json.loads((tmp_path / "clip-0.json").read_text())
    assert json.loads((tmp_path / "clip-1.json").read_text())["finite"] is False
    assert "clip-1.mp4: the sample holds values that are no finite numbers, so it shows nothing" in caplog.text
    request = Request("broken", pairs[1].picture, pairs[1].waveform, pairs[1].text, 1)
    with pytest.raises(WeightsError, match="broken: the sample holds values .* take an earlier checkpoint"):
        PipelineGenerator(pipeline)([request])
