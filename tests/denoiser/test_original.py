"""The network is the original's: the same numbers under the same names."""

import pytest
import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.denoiser.original import config_from_original, config_to_original, is_added
from asva_lightning.encoders import Conditions
from asva_lightning.errors import WeightsError


@pytest.fixture(scope="module")
def original(reference):
    return reference("unet_small", "unet")


@pytest.fixture(scope="module")
def unet(original):
    return AVSyncUNet.from_original(original.facts["config"], original.weights)


@torch.no_grad()
def test_output_equals_the_reference(original, unet):
    given = original.tensors
    conditions = Conditions(given["text"], given["audio"], given["audio_mask"])
    output = unet(given["sample"], given["timestep"], conditions)
    assert (output - given["output"]).abs().max() <= 2e-4 * given["output"].std()


def test_tensors_have_the_original_names_and_shapes(original, unet):
    shapes = {name: list(tensor.shape) for name, tensor in unet.state_dict().items()}
    assert shapes == original.facts["state_dict_shapes"]


def test_counts_of_parameters(original, unet):
    assert sum(p.numel() for p in unet.parameters()) == original.facts["n_params"]
    assert sum(p.numel() for p in unet.parameters() if p.requires_grad) == original.facts["n_trainable"]


def test_added_layers_train_and_no_others(unet):
    trained = {name for name, parameter in unet.named_parameters() if parameter.requires_grad}
    assert trained == {name for name in unet.state_dict() if "_temp" in name or "_audio" in name}
    assert trained == {name for name in unet.state_dict() if is_added(name)}


def test_full_size_is_that_of_the_method():
    with torch.device("meta"):
        unet = AVSyncUNet()
    assert round(sum(p.numel() for p in unet.parameters()) / 1e6) == 1169
    assert round(sum(p.numel() for p in unet.parameters() if p.requires_grad) / 1e6) == 310


def test_missing_keys_of_a_config_take_the_defaults_of_diffusers():
    assert config_from_original({}) == {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (320, 640, 1280, 1280),
        "attention_levels": (True, True, True, False),
        "layers_per_block": 2,
        "heads": 8,
        "norm_groups": 32,
        "text_channels": 1280,
        "audio_channels": 768,
    }


def test_configs_go_out_as_they_came_in(original, unet):
    assert config_to_original(unet.config) == original.facts["config"]
    assert config_to_original(config_from_original({}))["down_block_types"] == [
        *["FFSpatioAudioTempCrossAttnDownBlock3D"] * 3,
        "FFSpatioTempResDownBlock3D",
    ]


NAME = "mid_block.attentions.0.transformer_blocks.0.attn_audio.to_k.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop(NAME), f"Tensor {NAME} is in the network, but not in the checkpoint"),
        (
            lambda weights: weights.update({"mid_block.more": torch.zeros(1)}),
            "Tensor mid_block.more is in the checkpoint, but not in the network",
        ),
        (
            lambda weights: weights.update({NAME: torch.zeros(64, 41)}),
            rf"Tensor {NAME} is \(64, 41\) in the checkpoint, \(64, 40\) in the network",
        ),
    ],
    ids=["missing", "extra", "other shape"],
)
def test_a_tensor_that_does_not_fit_is_named(original, change, message):
    weights = dict(original.weights)
    change(weights)
    with pytest.raises(WeightsError, match=message + ".* Is the config the one the checkpoint was saved with"):
        AVSyncUNet.from_original(original.facts["config"], weights)
