"""Inflation is exact: before training, frames that are all alike go through as through Stable Diffusion's 2D UNet."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.denoiser.original import is_added
from asva_lightning.encoders import Conditions

PICTURE_BLOCKS = {
    True: ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"),
    False: ("DownBlock2D", "UpBlock2D"),
}


def picture_unet(attention_levels, layers):
    """A small UNet of diffusers, laid out as Stable Diffusion's; ``attention_head_dim`` is its number of heads."""
    return UNet2DConditionModel(
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32, 32)[: len(attention_levels)],
        down_block_types=tuple(PICTURE_BLOCKS[attends][0] for attends in attention_levels),
        up_block_types=tuple(PICTURE_BLOCKS[attends][1] for attends in reversed(attention_levels)),
        layers_per_block=layers,
        attention_head_dim=2,
        norm_num_groups=4,
        cross_attention_dim=12,
    )


def inflate(picture, attention_levels, layers):
    """The clip UNet of the same layout, at its own start, with the 2D weights put in by name."""
    clip = AVSyncUNet(
        block_out_channels=(16, 32, 32)[: len(attention_levels)],
        attention_levels=attention_levels,
        layers_per_block=layers,
        heads=2,
        norm_groups=4,
        text_channels=12,
        audio_channels=10,
    )
    given = picture.state_dict()
    assert set(given) == {name for name in clip.state_dict() if not is_added(name)}
    clip.load_state_dict(given, strict=False)
    return clip


@torch.no_grad()
@pytest.mark.parametrize(
    ("attention_levels", "layers", "height", "width"),
    [((True, True, False), 2, 8, 8), ((True, False), 1, 9, 7), ((False, True), 1, 6, 10)],
    ids=["layout of Stable Diffusion", "odd size", "attention on the coarse level"],
)
def test_alike_frames_give_the_2d_output(fill, attention_levels, layers, height, width):
    picture = picture_unet(attention_levels, layers)
    picture.load_state_dict(fill(picture.state_dict(), "unet"))
    clip = inflate(picture, attention_levels, layers)
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, 4, height, width, generator=generator)
    text = torch.randn(2, 5, 12, generator=generator)
    level = torch.tensor([30, 800])
    expected = picture(latents, level, text).sample
    output = clip(latents[:, :, None].expand(-1, -1, 3, -1, -1), level, Conditions(text))
    assert expected.std() > 0.1
    for frame in output.unbind(dim=2):
        torch.testing.assert_close(frame, expected, rtol=0, atol=2e-5)


@torch.no_grad()
def test_only_the_audio_layers_change_the_start(fill):
    picture = picture_unet((True, False), 1)
    clip = inflate(picture, (True, False), 1)
    asleep = [name for name, p in clip.named_parameters() if is_added(name) and "norm" not in name and not p.any()]
    ends = ("conv_temp.weight", "conv_temp.bias", "attn_temp.to_out.0.weight", "attn_temp.to_out.0.bias")
    assert asleep == [name for name in clip.state_dict() if name.endswith(ends)]
    assert all(p.any() for name, p in clip.named_parameters() if name.endswith("attn_audio.to_out.0.weight"))
