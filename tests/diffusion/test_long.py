"""Videos of any length."""

import pytest
import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import AnimationPipeline, Guidance, Objective, Pair, Sampling, animate_long, generate
from asva_lightning.encoders import ClassText, Conditioner, LogMelEncoder, PixelCodec
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import ClipFormat


@pytest.fixture(scope="module")
def picture():
    return torch.randint(0, 256, (3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def track():
    """Eight seconds of sound."""
    return 0.1 * torch.randn(8 * 16_000, generator=torch.Generator().manual_seed(1))


def sound_at(track, pipeline, asked=None):
    def read(seconds):
        if asked is not None:
            asked.append(seconds)
        begin = round(seconds * 16_000)
        return torch.nn.functional.pad(track, (0, 16_000))[begin : begin + pipeline.format.samples]

    return read


@pytest.mark.parametrize("overlap", [1, 2, 3])
@pytest.mark.parametrize("frames", [3, 4, 5, 11])
def test_stretches_follow_one_another(pipeline, picture, track, frames, overlap):
    asked = []
    stretches = list(
        animate_long(pipeline, picture, sound_at(track, pipeline, asked), frames, overlap=overlap, steps=2)
    )
    places = [number for part in stretches for number in range(part.first, part.first + part.pixels.shape[1])]
    assert places == list(range(frames))
    assert asked == [window * (4 - overlap) / 8 for window in range(len(stretches))]
    assert all(part.effect is None for part in stretches)


def test_the_first_window_is_what_generate_makes(pipeline, picture, track):
    first = next(animate_long(pipeline, picture, sound_at(track, pipeline), 9, "a drum", seed=3, number=2))
    [same] = generate(pipeline, [Pair("x", picture, track[:8000], "a drum", number=2)], seed=3)
    assert torch.equal(first.pixels, same.pixels)


def test_a_window_begins_with_the_last_frames_of_the_one_before(pipeline, picture, track):
    begins = []
    sample = pipeline.sample

    def noting(begin, *given, **options):
        made = sample(begin, *given, **options)
        begins.append((begin, made))
        return made

    pipeline.sample = noting
    try:
        list(animate_long(pipeline, picture, sound_at(track, pipeline), 8, overlap=3))
    finally:
        del pipeline.sample
    assert begins[0][0].shape == (1, 48, 1, 4, 6)
    for (_, before), (begin, after) in zip(begins, begins[1:]):
        assert torch.equal(begin, before[:, :, 1:])
        assert torch.equal(after[:, :, :3], begin)


def test_the_same_seed_gives_the_same_film_and_windows_differ_in_noise(pipeline, picture, track):
    def film(seed):
        constant = track[: pipeline.format.samples]
        return torch.cat(
            [part.pixels for part in animate_long(pipeline, picture, lambda _: constant, 10, seed=seed, overlap=1)], 1
        )

    assert torch.equal(film(1), film(1))
    assert not torch.equal(film(1), film(2))


def test_the_effect_of_sound_is_told_for_every_frame(pipeline, picture, track):
    stretches = list(animate_long(pipeline, picture, sound_at(track, pipeline), 7, explain=True, overlap=1))
    assert [part.effect.shape for part in stretches] == [(4, 4, 6), (3, 4, 6)]
    heat = torch.cat([part.effect for part in stretches])
    assert heat[0].max() == 0
    assert heat[1:].mean(dim=(1, 2)).min() > 0
    off = list(animate_long(pipeline, picture, sound_at(track, pipeline), 4, explain=True, guidance=Guidance(audio=1)))
    assert off[0].effect[1:].max() > 0  # also where guidance does not need the pass without sound


def test_a_codec_of_changes_begins_anew_at_each_window(small, picture, track):
    codec = PixelCodec(4, change=2.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        audio, text = LogMelEncoder(channels=small.audio_channels), ClassText([], channels=small.text_channels)
        unet = AVSyncUNet(**(small.config | {"in_channels": 48, "out_channels": 48})).eval()
    pipeline = AnimationPipeline.of(
        unet, Conditioner(codec, audio, text), Objective(), Sampling(steps=2), ClipFormat(4, 8, 16, 24)
    )
    clip = torch.randint(0, 256, (1, 3, 4, 16, 24), generator=torch.Generator().manual_seed(2)) / 127.5 - 1
    moved = codec.begin_at(codec.encode(clip), 2)
    torch.testing.assert_close(moved, codec.encode(clip[:, :, 2:]), atol=1e-5, rtol=0)
    stretches = list(animate_long(pipeline, picture, sound_at(track, pipeline), 8))
    assert sum(part.pixels.shape[1] for part in stretches) == 8


@pytest.mark.parametrize("overlap", [0, 4])
def test_windows_must_share_frames_and_leave_new_ones(pipeline, picture, track, overlap):
    with pytest.raises(ConfigurationError, match=f"Windows of 4 frames can share 1 to 3 frames, not {overlap}"):
        next(animate_long(pipeline, picture, sound_at(track, pipeline), 8, overlap=overlap))


def test_a_film_of_what_is_no_number_is_refused(pipeline, picture):
    nothing = torch.full((pipeline.format.samples,), torch.nan)
    with pytest.raises(
        WeightsError, match=r"At 0\.00 s the sample holds values that are no finite numbers\. The training"
    ):
        next(animate_long(pipeline, picture, lambda _: nothing, 8))
