"""Digests of pretrained weights."""

import pytest
import torch

from asva_lightning.encoders import ClassText, Conditioner, LogMelEncoder, PixelCodec
from asva_lightning.errors import WeightsError
from asva_lightning.training.frozen_weights import compare_frozen, digests_of_frozen


def conditioner():
    return Conditioner(PixelCodec(4), LogMelEncoder(channels=8), ClassText(["a"], channels=8))


def test_networks_without_frozen_weights_have_no_digest(small):
    assert digests_of_frozen(small.unet().requires_grad_(True), conditioner()) == {}


def test_the_digest_is_of_the_frozen_weights_alone(small):
    unet = small.unet()
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_("_temp" in name)
    before = digests_of_frozen(unet, conditioner())
    assert before.keys() == {"unet"}
    with torch.no_grad():
        unet.conv_in.conv_temp.weight.add_(1)
    assert digests_of_frozen(unet, conditioner()) == before
    with torch.no_grad():
        unet.conv_in.weight[0, 0, 0, 0] += 1e-3
    after = digests_of_frozen(unet, conditioner())
    assert after != before
    compare_frozen({}, after, "x.ckpt")
    with pytest.raises(WeightsError, match=r"x\.ckpt was trained on another unet: the digest .* Give the file"):
        compare_frozen(before, after, "x.ckpt")


def test_what_nobody_hears_is_left_out(small):
    unet, silent = small.unet().requires_grad_(False), conditioner()
    silent.audio.requires_grad_(False)
    assert digests_of_frozen(unet, silent).keys() == {"unet", "audio_encoder"}
    deaf = digests_of_frozen(unet, silent, hears=False)
    with torch.no_grad():
        next(value for name, value in unet.named_parameters() if "_audio" in name).add_(1)
    assert deaf.keys() == {"unet"}
    assert digests_of_frozen(unet, silent, hears=False) == deaf
