"""Judges of one's own, and the example of one in the documents."""

import importlib.util
from pathlib import Path

import pytest
import torch
from judged_clips import FORMAT, clips
from torch import nn

from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.judge import Judge

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "desync_judge.py"


def loudness_over_brightness(audio, video, format):
    """A judge that is a function; it needs all that it is given."""
    values = audio.abs().mean(dim=1) / video.float().mean(dim=(1, 2, 3, 4)) * format.fps
    return values.masked_fill(values == 0, torch.nan)


@pytest.fixture
def batch():
    sound = torch.tensor([[0.5], [0.0], [0.1]]) * torch.ones(3, FORMAT.samples)
    return sound, clips(3, seed=0)


def test_a_judge_is_a_measure_and_a_metric(batch):
    judge, expected = Judge(loudness_over_brightness, higher_is_better=None), loudness_over_brightness(*batch, FORMAT)
    judge.update(*(part[:1] for part in batch), FORMAT)
    judge.update(*(part[1:] for part in batch), FORMAT)
    assert float(judge.compute()) == pytest.approx(float(expected.nanmean()), rel=1e-6)
    assert int(judge.left_out) == 1
    clip = EvaluatedClip("a", batch[1][2], batch[0][2], "dog")
    assert judge.measure(clip, FORMAT) == pytest.approx(float(expected[2]), rel=1e-6)


@pytest.mark.parametrize("way", [True, False, None])
def test_which_way_is_better_is_told(way):
    assert Judge(loudness_over_brightness, way).higher_is_better is way


def test_a_judging_network_is_frozen_and_no_part_of_the_metric(batch):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(1, 1)

        def forward(self, audio, video, format):
            return self.linear(self.dropout(audio.mean(dim=1, keepdim=True)))[:, 0]

    judge = Judge(Network(), higher_is_better=True)
    first, second = (judge.values(*batch, FORMAT) for _ in range(2))
    assert torch.equal(first, second), "dropout is off"
    assert not first.requires_grad
    assert not list(judge.parameters())


@pytest.mark.parametrize(
    ("given", "met"), [(lambda *_: torch.zeros(3, 2), r"\(3, 2\)"), (lambda *_: 1.0, "float")], ids=["frames", "float"]
)
def test_a_judge_that_gives_anything_else_is_refused(given, met, batch):
    with pytest.raises(ConfigurationError, match=rf"of 3 clips this one gave {met}\. Take the mean"):
        Judge(given, higher_is_better=True).values(*batch, FORMAT)


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("desync_judge", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ToySynchformer(nn.Module):
    """Finds the offset of the loudest sample and the brightest frame, among -2, -1.8 ... 2 s."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def forward(self, frames, sound):
        self.shown.append((frames, sound))
        seen = frames.mean(dim=(2, 3, 4)).argmax(dim=1) / 25
        heard = sound.abs().argmax(dim=1) / 16_000
        offsets = torch.linspace(-2, 2, 21)
        return -(offsets - (heard - seen)[:, None]).abs()


def flash_and_click(flash, click, format):
    """A white frame at one time, a click at another."""
    pixels = torch.zeros(1, 3, format.frames, format.height, format.width, dtype=torch.uint8)
    pixels[:, :, round(flash * format.fps)] = 255
    sound = torch.zeros(1, format.samples)
    sound[:, round(click * format.sample_rate)] = 1
    return sound, pixels


def test_desync_of_a_short_clip(example):
    """Two seconds at 5 frames a second: the last frame is held, the sound falls silent."""
    format = ClipFormat(frames=10, fps=5, height=8, width=12)
    network = ToySynchformer()
    judge = Judge(example.DeSync(network), higher_is_better=False)
    sound, pixels = flash_and_click(1.0, 0.4, format)
    pixels[:, :, -1] = 9
    assert float(judge.values(sound, pixels, format)) == pytest.approx(0.6)
    [(frames, heard)] = network.shown
    assert frames.shape == (1, 120, 3, 224, 224)
    assert heard.shape == (1, 76_800)
    assert torch.equal(heard[:, : format.samples], sound)
    assert not heard[:, format.samples :].any()
    assert torch.allclose(frames[:, 45:], torch.tensor(9 / 127.5 - 1), atol=1e-5)
    assert ((frames.mean(dim=(2, 3, 4)) > 0.9).nonzero()[:, 1]).tolist() == [25, 26, 27, 28, 29]


def test_desync_of_a_long_clip_is_the_mean_of_its_beginning_and_its_end(example):
    format = ClipFormat(frames=70, fps=10, height=8, width=8)
    sound, pixels = flash_and_click(0.5, 0.7, format)
    late_sound, late_pixels = flash_and_click(6.5, 5.9, format)
    sound, pixels = sound + late_sound * 0.9, pixels // 2 + late_pixels  # the later flash is brighter
    network = ToySynchformer()
    value = Judge(example.DeSync(network), higher_is_better=False).values(sound, pixels, format)
    assert [tuple(frames.shape[:2]) for frames, _ in network.shown] == [(1, 120), (1, 120)]
    assert float(value) == pytest.approx((0.2 + 0.6) / 2)


def test_desync_of_sound_at_another_rate_is_refused(example):
    format = ClipFormat(frames=4, fps=4, height=8, width=8, sample_rate=8000)
    with pytest.raises(ValueError, match="16000 samples a second"):
        example.DeSync(ToySynchformer())(*flash_and_click(0.5, 0.5, format), format)
