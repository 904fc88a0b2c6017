"""Every switch of the anatomy takes out exactly its part, and without switches the network is the method's."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from asva_lightning.denoiser import Anatomy, AVSyncUNet, save_original
from asva_lightning.denoiser.transformer import AudioVideoBlock
from asva_lightning.errors import ConfigurationError, WeightsError

LEVELS = torch.tensor([10, 700])
PARTS = {
    "audio": ("norm_audio", "attn_audio"),
    "text": ("transformer_blocks.0.norm2.", "attn2"),
    "temporal_attention": ("norm_temp", "attn_temp", "pos_embedding_temp"),
    "temporal_convolution": ("conv_temp",),
}


def transplanted(small, anatomy, change):
    """The network without a part, and the whole network with the same weights, changed."""
    whole = small.unet()
    weights = whole.state_dict()
    for name in weights:
        change(name, weights[name])
    without = AVSyncUNet(**small.config, anatomy=anatomy).eval()
    own = without.state_dict()
    shorter = {name: weights[name][:, -own[name].shape[1] :] for name in own if name.endswith("conv_temp.weight")}
    without.load_state_dict({name: weights[name] for name in own} | shorter)
    return without, whole


def zero(*parts):
    """Zeroes what these parts give."""

    def change(name, tensor):
        if any(part in name for part in parts):
            tensor.zero_()

    return change


@torch.no_grad()
def test_the_methods_anatomy_is_the_network_as_it_was(small):
    plain, stated = small.unet(), small.unet(anatomy=Anatomy())
    assert stated.config["anatomy"] is None
    sample, conditions = small.sample(), small.conditions()
    assert torch.equal(plain(sample, LEVELS, conditions), stated(sample, LEVELS, conditions))


@torch.no_grad()
@pytest.mark.parametrize("switch", PARTS)
def test_a_part_switched_off_is_as_if_it_gave_zero(small, switch):
    ends = {"audio": "attn_audio.to_out", "text": "attn2.to_out", "temporal_attention": "attn_temp.to_out"}
    without, whole = transplanted(small, Anatomy(**{switch: False}), zero(ends.get(switch, "conv_temp")))
    sample, conditions = small.sample(), small.conditions()
    expected = whole(sample, LEVELS, conditions)
    torch.testing.assert_close(without(sample, LEVELS, conditions), expected, rtol=0, atol=1e-5)
    gone = whole.state_dict().keys() - without.state_dict().keys()
    assert gone == {name for name in whole.state_dict() if any(part in name for part in PARTS[switch])}


@torch.no_grad()
def test_without_the_first_frame_the_lookup_sees_the_previous_and_the_same(small):
    def forget_first(name, tensor):
        if name.endswith("conv_temp.weight"):
            tensor[:, : len(tensor)] = 0

    without, whole = transplanted(small, Anatomy(first_frame_lookup=False), forget_first)
    assert without.conv_in.conv_temp.weight.shape == (16, 32)
    sample, conditions = small.sample(), small.conditions()
    expected = whole(sample, LEVELS, conditions)
    torch.testing.assert_close(without(sample, LEVELS, conditions), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_plain_spatial_attention_is_each_frame_s_attention_to_itself(small):
    block = AudioVideoBlock(16, 2, small.text_channels, small.audio_channels, 0, Anatomy(first_frame_attention=False))
    block.load_state_dict(small.fill(block.state_dict(), "unet"))
    tokens = torch.randn(2, 4, 9, 16, generator=torch.Generator().manual_seed(0))
    together = block._spatial(tokens)
    attention = block.attn1
    for clip, frame in itertools.product(range(2), range(4)):
        pixels = tokens[clip, frame]  # (s, c)
        heads = [
            layer(pixels).view(9, 2, 8).transpose(0, 1) for layer in (attention.to_q, attention.to_k, attention.to_v)
        ]
        queries, keys, values = heads
        attended = (queries @ keys.transpose(1, 2) / 8**0.5).softmax(dim=-1) @ values
        by_hand = attention.to_out[0](attended.transpose(0, 1).reshape(9, 16))
        torch.testing.assert_close(together[clip, frame], by_hand, rtol=0, atol=1e-5)
    method = AudioVideoBlock(16, 2, small.text_channels, small.audio_channels, 0).eval()
    method.load_state_dict(block.state_dict())
    torch.testing.assert_close(method._spatial(tokens)[:, 0], together[:, 0], rtol=0, atol=1e-5)
    assert not torch.allclose(method._spatial(tokens)[:, 1:], together[:, 1:], atol=1e-3)


@torch.no_grad()
def test_a_block_with_plain_spatial_attention_treats_frames_one_by_one(small):
    anatomy = Anatomy(first_frame_attention=False, temporal_attention=False)
    block = AudioVideoBlock(16, 2, small.text_channels, small.audio_channels, index=0, anatomy=anatomy).eval()
    unet, tokens = small.unet(), torch.randn(2, 4, 9, 16, generator=torch.Generator().manual_seed(0))
    prepared = unet.prepare(small.conditions().without_audio(), frames=4)
    together = block(tokens, prepared)
    for frame in range(4):
        alone = block(tokens[:, frame : frame + 1], prepared)
        torch.testing.assert_close(together[:, frame : frame + 1], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_frame_times_are_embedded_as_noise_levels_are_and_added_to_them(small):
    unet = small.unet(anatomy=Anatomy(frame_times=True))
    heard: list[torch.Tensor] = []
    unet.mid_block.register_forward_pre_hook(lambda module, inputs: heard.append(inputs[1]))
    times = torch.tensor([[0.0, 0.5, 4.0, 9.0], [0.0, 1.0, 2.0, 3.0]])
    conditions = dataclasses.replace(small.conditions(), frame_times=times)
    unet(small.sample(), LEVELS, conditions)

    def embedded(layers, value):
        """cos and sin of 8 frequencies from 1 down towards 1/10000, and the two layers after them."""
        angles = value * torch.exp(-math.log(10000) * torch.arange(8) / 8)
        hidden = layers.linear_1(torch.cat([angles.cos(), angles.sin()]))
        return layers.linear_2(torch.nn.functional.silu(hidden))

    for clip, frame in itertools.product(range(2), range(4)):
        by_hand = embedded(unet.time_embedding, LEVELS[clip]) + embedded(unet.frame_embedding_temp, times[clip, frame])
        torch.testing.assert_close(heard[0][clip, frame], by_hand, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_frame_times_begin_without_effect_and_then_count(small):
    config = small.config | {"anatomy": Anatomy(frame_times=True)}
    fresh, without = AVSyncUNet(**config).eval(), AVSyncUNet(**small.config).eval()
    fresh.load_state_dict(without.state_dict(), strict=False)
    sample, conditions = small.sample(), small.conditions()
    uneven = dataclasses.replace(conditions, frame_times=torch.tensor([0.0, 0.5, 4.0, 9.0]))
    expected = without(sample, LEVELS, conditions)
    torch.testing.assert_close(fresh(sample, LEVELS, uneven), expected, rtol=0, atol=1e-5)
    awake = small.unet(anatomy=Anatomy(frame_times=True))
    even = dataclasses.replace(conditions, frame_times=torch.arange(4))
    assert torch.equal(awake(sample, LEVELS, even), awake(sample, LEVELS, conditions))
    assert not torch.allclose(awake(sample, LEVELS, uneven), awake(sample, LEVELS, even), atol=1e-3)
    of_clips = dataclasses.replace(conditions, frame_times=torch.stack([even.frame_times, uneven.frame_times]))
    torch.testing.assert_close(awake(sample, LEVELS, of_clips)[1], awake(sample, LEVELS, uneven)[1], rtol=0, atol=1e-5)


def test_frame_times_must_increase_and_be_as_many_as_frames(small):
    conditions = small.conditions()
    with pytest.raises(ConfigurationError, match=r"must increase .* \[0\.0, 2\.0, 2\.0\]"):
        dataclasses.replace(conditions, frame_times=torch.tensor([0.0, 2.0, 2.0]))
    few = dataclasses.replace(conditions, frame_times=torch.tensor([0.0, 2.0]))
    with pytest.raises(ConfigurationError, match="2 frame times, but the clip has 4 frames"):
        small.unet().prepare(few, frames=4)


@pytest.mark.parametrize("switch", [*PARTS, "first_frame_attention", "first_frame_lookup", "frame_times"])
def test_every_trained_parameter_has_a_gradient(small, switch):
    anatomy = Anatomy(**{switch: not getattr(Anatomy(), switch)})
    unet = small.unet(anatomy=anatomy, trainable="all")
    unet(small.sample(), LEVELS, small.conditions()).square().mean().backward()
    assert [name for name, parameter in unet.named_parameters() if parameter.grad is None] == []


def test_a_saved_network_keeps_its_anatomy(small, tmp_path):
    unet = small.unet(anatomy=Anatomy(text=False, frame_times=True))
    unet.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["anatomy"]["text"] is False
    again = AVSyncUNet.from_pretrained(tmp_path)
    assert again.anatomy == unet.anatomy
    sample, conditions = small.sample(), small.conditions()
    with torch.no_grad():
        assert torch.equal(again(sample, LEVELS, conditions), unet(sample, LEVELS, conditions))
    with pytest.raises(WeightsError, match=r"another anatomy \(text, frame_times\).*--layout diffusers"):
        save_original(unet, tmp_path / "original")


@pytest.mark.parametrize(
    ("anatomy", "message"),
    [
        ({"hearing": False}, "no part 'hearing'; its anatomy knows: audio, text"),
        ({"audio": "no"}, "anatomy.audio is true or false, not 'no'"),
        ({"temporal_convolution": False, "first_frame_lookup": False}, "Set one of the two to true"),
        ({"audio": False, "temporal_attention": False, "temporal_convolution": False}, "leaves nothing to train"),
    ],
)
def test_an_anatomy_that_cannot_be_says_why(small, anatomy, message):
    with pytest.raises(ConfigurationError, match=message):
        AVSyncUNet(**small.config, anatomy=anatomy)
