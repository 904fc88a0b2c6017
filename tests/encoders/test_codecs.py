import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from asva_lightning.encoders import AutoencoderCodec, PixelCodec
from asva_lightning.errors import ConfigurationError, WeightsError


def clips(count=2, frames=3, height=16, width=12, seed=0):
    return torch.rand(count, 3, frames, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_pixel_codec_is_exactly_invertible(factor):
    codec, pixels = PixelCodec(factor), clips()
    latents = codec.encode(pixels)
    assert latents.shape == (2, codec.channels, 3, 16 // factor, 12 // factor)
    assert latents.shape[-2:] == codec.latent_size(16, 12)
    assert torch.equal(codec.decode(latents), pixels)
    assert torch.equal(codec.encode(pixels, generators(1, 2)), latents)


def test_pixel_codec_keeps_frames_and_places_apart():
    codec, pixels = PixelCodec(4), torch.zeros(1, 3, 3, 16, 12)
    pixels[0, :, 1, 4:8, 8:12] = 1
    latents = codec.encode(pixels)
    expected = torch.zeros(1, 48, 3, 4, 3)
    expected[0, :, 1, 1, 2] = 1
    assert torch.equal(latents, expected)


def test_pixel_codec_can_store_changes_from_the_first_frame():
    codec, pixels = PixelCodec(4, change=2.5), clips()
    latents, plain = codec.encode(pixels), PixelCodec(4).encode(pixels)
    assert torch.equal(latents[:, :, 0], plain[:, :, 0])
    torch.testing.assert_close(latents[:, :, 1:], 2.5 * (plain[:, :, 1:] - plain[:, :, :1]))
    torch.testing.assert_close(codec.decode(latents), pixels, rtol=0, atol=1e-6)
    still = pixels[:, :, :1].expand(-1, -1, 3, -1, -1)
    assert not codec.encode(still)[:, :, 1:].any()


def test_latents_are_sampled_in_float32_where_half_the_type_is_the_default():
    codec, mean = PixelCodec(1), torch.zeros(1, 2, 3, 4, 4)
    expected = codec.from_frames(mean, torch.ones_like(mean), generators(1))
    torch.set_default_dtype(torch.bfloat16)  # as Lightning does in a step with bf16-true
    try:
        sampled = codec.from_frames(mean, torch.ones_like(mean), generators(1))
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(sampled, expected)


@pytest.mark.parametrize("change", [0.0, -1.0])
def test_changes_need_a_positive_factor(change):
    with pytest.raises(ConfigurationError, match=rf"change > 0, not {change}; leave it out to store frames as they"):
        PixelCodec(4, change=change)


def test_a_size_that_does_not_divide_is_refused():
    message = "18x12 px does not divide by the codec's factor 4. Set --data.format.height and --data.format.width"
    with pytest.raises(ConfigurationError, match=message):
        PixelCodec(4).latent_size(18, 12)
    with pytest.raises(ConfigurationError, match="12x18 px"):
        PixelCodec(4).latent_size(12, 18)


@pytest.fixture(scope="module")
def codec(stable_diffusion):
    return AutoencoderCodec(str(stable_diffusion))


@pytest.fixture(scope="module")
def diffusers_network(stable_diffusion):
    return AutoencoderKL.from_pretrained(stable_diffusion / "vae").eval()


def test_autoencoder_tells_its_shape(codec):
    assert (codec.channels, codec.factor, codec.scale) == (5, 4, 0.3)
    assert codec.latent_size(16, 12) == (4, 3)


@torch.no_grad()
def test_autoencoder_equals_diffusers(codec, diffusers_network):
    pixels = clips()
    latents = codec.encode(pixels)
    assert latents.shape == (2, 5, 3, 4, 3)
    decoded = codec.decode(latents)
    assert decoded.shape == pixels.shape
    for clip in range(2):
        for frame in range(3):
            one = diffusers_network.encode(pixels[clip, :, frame][None]).latent_dist.mode() * 0.3
            torch.testing.assert_close(latents[clip, :, frame], one[0], rtol=0, atol=1e-5)
            picture = diffusers_network.decode(one / 0.3).sample
            torch.testing.assert_close(decoded[clip, :, frame], picture[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("at_once", [1, 4, 6])
def test_frames_at_once_do_not_change_the_result(codec, stable_diffusion, at_once):
    other, pixels = AutoencoderCodec(str(stable_diffusion), frames_at_once=at_once), clips()
    torch.testing.assert_close(other.encode(pixels), codec.encode(pixels), rtol=0, atol=1e-5)
    sampled = codec.encode(pixels, generators(1, 2))
    torch.testing.assert_close(other.encode(pixels, generators(1, 2)), sampled, rtol=0, atol=1e-5)
    torch.testing.assert_close(other.decode(sampled), codec.decode(sampled), rtol=0, atol=1e-4)


def test_a_sample_is_a_function_of_clip_and_generator(codec):
    pixels = clips()
    first = codec.encode(pixels, generators(1, 2))
    assert torch.equal(codec.encode(pixels, generators(1, 2)), first)
    torch.testing.assert_close(codec.encode(pixels[1:], generators(2)), first[1:], rtol=0, atol=1e-5)
    other = codec.encode(pixels, generators(1, 3))
    assert torch.equal(other[0], first[0])
    assert not torch.allclose(other[1], first[1], atol=1e-2)
    assert not torch.allclose(first, codec.encode(pixels), atol=1e-2)


@torch.no_grad()
def test_samples_have_the_mean_and_deviation_of_the_posterior(codec, diffusers_network):
    picture = clips(count=1, frames=1, height=8, width=8)
    posterior = diffusers_network.encode(picture[:, :, 0]).latent_dist
    # The same picture as all frames of a long clip: every frame is one draw.
    draws = codec.encode(picture.expand(-1, -1, 2_000, -1, -1), generators(5))[0] / 0.3
    normal = (draws - posterior.mean[0][:, None]) / posterior.std[0][:, None]
    assert normal.mean(dim=1).abs().max() < 0.1
    assert (normal.std(dim=1) - 1).abs().max() < 0.1
    assert abs(float(normal.mean())) < 0.02
    assert abs(float(normal.std()) - 1) < 0.02


def test_autoencoder_is_frozen_and_out_of_reach(codec):
    parent = nn.Sequential(codec).train()
    network = codec._network.on(torch.device("cpu"))
    assert not any(module.training for module in network.modules())
    assert list(parent.parameters()) == []
    assert parent.state_dict() == {}
    assert not codec.encode(clips().requires_grad_()).requires_grad


def test_a_missing_folder_is_named_with_source_and_licence(tmp_path):
    with pytest.raises(WeightsError, match=rf"{tmp_path} has no folder vae.*stable-diffusion-v1-5.*OpenRAIL-M"):
        AutoencoderCodec(str(tmp_path))
