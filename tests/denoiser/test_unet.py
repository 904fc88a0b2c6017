"""The denoiser as a whole, with every layer awake: shapes, conditions, prepared conditions, gradients, saving."""

import dataclasses

import pytest
import torch

from asva_lightning.denoiser import AVSyncUNet, PreparedConditions
from asva_lightning.encoders import Conditions
from asva_lightning.errors import ConfigurationError

LEVELS = torch.tensor([10, 700])


@torch.no_grad()
@pytest.mark.parametrize(
    ("frames", "height", "width"), [(1, 8, 8), (2, 9, 7), (5, 5, 11), (3, 1, 1)], ids=lambda size: str(size)
)
def test_takes_any_number_of_frames_and_any_size(small, frames, height, width):
    sample = small.sample(frames=frames, height=height, width=width)
    output = small.unet()(sample, LEVELS, small.conditions(frames=frames))
    assert output.shape == sample.shape
    assert output.isfinite().all()
    assert output.std() > 0.1


@torch.no_grad()
def test_clips_of_a_batch_do_not_see_each_other(small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    masks = torch.stack([conditions.audio_mask, conditions.audio_mask.flip(0)])
    together = unet(sample, LEVELS, dataclasses.replace(conditions, audio_mask=masks))
    for clip in range(2):
        one = slice(clip, clip + 1)
        alone = Conditions(conditions.text[one], conditions.audio[one], masks[clip])
        torch.testing.assert_close(unet(sample[one], LEVELS[one], alone), together[one], rtol=0, atol=2e-5)


@torch.no_grad()
def test_one_mask_for_all_clips_equals_the_mask_repeated(small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    repeated = dataclasses.replace(conditions, audio_mask=conditions.audio_mask.expand(2, -1, -1))
    assert torch.equal(unet(sample, LEVELS, conditions), unet(sample, LEVELS, repeated))


@torch.no_grad()
def test_no_mask_lets_every_frame_see_every_token(small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions(mask=False)
    everything = dataclasses.replace(conditions, audio_mask=torch.ones(4, small.audio_tokens, dtype=torch.bool))
    assert torch.equal(unet(sample, LEVELS, conditions), unet(sample, LEVELS, everything))


@torch.no_grad()
def test_one_level_serves_all_clips(small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    one, both = unet(sample, torch.tensor([10]), conditions), unet(sample, torch.tensor([10, 10]), conditions)
    assert torch.equal(one, both)
    assert not torch.allclose(one[1], unet(sample, LEVELS, conditions)[1], atol=1e-3)


@torch.no_grad()
def test_conditions_without_audio_skip_the_audio_layers(small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    with_sound, skipped = unet(sample, LEVELS, conditions), unet(sample, LEVELS, conditions.without_audio())
    assert (with_sound - skipped).abs().max() > 0.05
    for name, parameter in unet.named_parameters():
        if "attn_audio.to_out" in name:
            parameter.zero_()
    torch.testing.assert_close(unet(sample, LEVELS, conditions), skipped)


@torch.no_grad()
@pytest.mark.parametrize("sound", [True, False])
def test_prepared_conditions_give_the_same_numbers(small, sound):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    conditions = conditions if sound else conditions.without_audio()
    prepared = unet.prepare(conditions, frames=4)
    assert isinstance(prepared, PreparedConditions)
    assert (prepared.audio is not None) is sound
    for level in (LEVELS, torch.tensor([0, 999])):
        assert torch.equal(unet(sample, level, prepared), unet(sample, level, conditions))


def test_a_mask_for_another_number_of_frames_is_refused(small):
    with pytest.raises(ConfigurationError, match="The audio mask is for 4 frames, but the clip has 5"):
        small.unet()(small.sample(frames=5), LEVELS, small.conditions(frames=4))


def test_gradients_reach_the_added_layers_and_no_others(small):
    unet = small.unet()
    unet(small.sample(), LEVELS, small.conditions()).square().mean().backward()
    for name, parameter in unet.named_parameters():
        assert parameter.requires_grad == ("_temp" in name or "_audio" in name), name
        reached = parameter.grad is not None and bool(parameter.grad.abs().max() > 0)
        assert reached == parameter.requires_grad, name


def test_gradients_reach_everything_when_all_trains(small):
    unet = small.unet(trainable="all")
    unet(small.sample(), LEVELS, small.conditions()).square().mean().backward()
    idle = [name for name, parameter in unet.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert idle == []


def test_gradients_reach_text_and_sound(small):
    conditions = small.conditions()
    conditions.text.requires_grad_()
    conditions.audio.requires_grad_()
    unet = small.unet()
    unet(small.sample(), LEVELS, unet.prepare(conditions, frames=4)).square().mean().backward()
    assert conditions.text.grad.abs().amin(dim=-1).min() > 0
    heard = conditions.audio_mask.any(dim=0)
    assert torch.equal(conditions.audio.grad.abs().amax(dim=-1) > 0, heard.expand(2, -1))


@torch.no_grad()
@pytest.mark.parametrize("trainable", ["added", "all"])
def test_saved_and_loaded_again(small, tmp_path, trainable):
    unet = small.unet(trainable=trainable, attention_levels=(False, True))
    unet.save_pretrained(tmp_path)
    again = AVSyncUNet.from_pretrained(tmp_path)
    for name, value in unet.config.items():
        if not name.startswith("_"):
            assert again.config[name] == (list(value) if isinstance(value, tuple) else value), name
    sample, conditions = small.sample(), small.conditions()
    assert torch.equal(again(sample, LEVELS, conditions), unet(sample, LEVELS, conditions))
    trained = [[name for name, p in network.named_parameters() if p.requires_grad] for network in (unet, again)]
    assert trained[0] == trained[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention_levels": (True,)}, "block_out_channels has 2 levels, attention_levels 1; give one for each"),
        ({"heads": 3}, "16 channels do not divide by 3 heads and 4 norm groups"),
        ({"norm_groups": 32}, "16 channels do not divide by 2 heads and 32 norm groups"),
    ],
)
def test_settings_that_do_not_fit_are_refused(small, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        AVSyncUNet(**(small.config | changes))
