import pytest
import torch

from asva_lightning.data.batch import ClipBatch, ClipSample
from asva_lightning.encoders import (
    AutoencoderCodec,
    ClassText,
    Conditioner,
    Conditions,
    FrameWindows,
    LogMelEncoder,
    PixelCodec,
    drop,
    segment_mask,
    to_floats,
    to_pixels,
)

FRAMES, SAMPLES = 4, 8_000
TEXTS = ["dog barking", "hammering", "dog barking"]


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    samples = [
        ClipSample(
            pixels=torch.randint(0, 256, (3, FRAMES, 16, 12), dtype=torch.uint8, generator=generator),
            waveform=0.1 * torch.randn(SAMPLES, generator=generator),
            text=text,
            category=text.replace(" ", "_"),
            key=f"clip-{place}",
            position=place,
            start=0.5,
        )
        for place, text in enumerate(TEXTS)
    ]
    return ClipBatch.collate(samples)


@pytest.fixture
def conditioner():
    return Conditioner(PixelCodec(4), LogMelEncoder(channels=6), ClassText(["dog barking", "hammering"], channels=5))


def test_a_batch_becomes_latents_and_conditions(conditioner, batch):
    latents, conditions = conditioner(batch)
    assert torch.equal(latents, conditioner.codec.encode(to_floats(batch.pixels)))
    assert torch.equal(to_pixels(conditioner.codec.decode(latents)), batch.pixels)
    assert torch.equal(conditions.text, conditioner.text(TEXTS))
    assert torch.equal(conditions.audio, conditioner.audio(batch.waveform))
    assert torch.equal(conditions.audio_mask, segment_mask(FRAMES, conditioner.audio.grid(SAMPLES)))


def test_generators_sample_the_latents(batch, stable_diffusion):
    codec = AutoencoderCodec(str(stable_diffusion))
    conditioner = Conditioner(codec, LogMelEncoder(channels=6), ClassText(["dog barking", "hammering"]))
    seeds = [torch.Generator().manual_seed(seed) for seed in range(3)]
    again = [torch.Generator().manual_seed(seed) for seed in range(3)]
    sampled, _ = conditioner(batch, seeds)
    assert torch.equal(sampled, codec.encode(to_floats(batch.pixels), again))
    assert not torch.equal(sampled, conditioner(batch)[0])


class EveryFrameHearsAll(FrameWindows):
    def __call__(self, frames, grid, seconds):
        return torch.ones(frames, grid.tokens, dtype=torch.bool)


def test_windows_are_a_part_that_can_be_replaced(conditioner, batch):
    other = Conditioner(conditioner.codec, conditioner.audio, conditioner.text, EveryFrameHearsAll())
    assert other(batch)[1].audio_mask.all()
    assert other.null(SAMPLES, FRAMES).audio_mask.all()


def test_null_says_nothing_for_one_clip(conditioner):
    null = conditioner.null(SAMPLES, FRAMES)
    assert torch.equal(null.text, conditioner.text([""]))
    assert torch.equal(null.audio, conditioner.audio.null(SAMPLES))
    assert len(null.text) == len(null.audio) == 1
    assert torch.equal(null.audio_mask, segment_mask(FRAMES, conditioner.audio.grid(SAMPLES)))


def test_drop_replaces_exactly_the_chosen_clips(conditioner, batch):
    torch.nn.init.normal_(conditioner.audio.nothing.weight)
    conditions, null = conditioner(batch)[1], conditioner.null(SAMPLES, FRAMES)
    audio, text = torch.tensor([True, False, False]), torch.tensor([False, False, True])
    dropped = drop(conditions, null, audio, text)
    assert torch.equal(dropped.audio, torch.stack([null.audio[0], conditions.audio[1], conditions.audio[2]]))
    assert torch.equal(dropped.text, torch.stack([conditions.text[0], conditions.text[1], null.text[0]]))
    assert dropped.audio_mask is conditions.audio_mask
    nobody = torch.zeros(3, dtype=torch.bool)
    kept = drop(conditions, null, nobody, nobody)
    assert torch.equal(kept.audio, conditions.audio)
    assert torch.equal(kept.text, conditions.text)


def test_drop_without_audio_drops_text():
    conditions, null = Conditions(torch.ones(2, 3, 4)), Conditions(torch.zeros(1, 3, 4), torch.zeros(1, 5, 6))
    dropped = drop(conditions, null, torch.tensor([True, True]), torch.tensor([False, True]))
    assert dropped.audio is None
    assert dropped.text.mean(dim=(1, 2)).tolist() == [1.0, 0.0]


def test_pixels_to_floats_and_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    floats = to_floats(pixels)
    assert (floats[0], floats[-1]) == (-1, 1)
    assert torch.equal(to_pixels(floats), pixels)
    assert to_pixels(torch.tensor([-7.0, -1.001, 1.001, 3.0])).tolist() == [0, 0, 255, 255]
    assert to_pixels(torch.tensor([torch.nan, torch.inf, -torch.inf])).tolist() == [0, 255, 0]
