"""Checkpoint folders of the original are read, and written so that the original could read them."""

import json
import shutil

import pytest
import torch
from jsonargparse import ArgumentParser
from safetensors.torch import load_file, save_file

from asva_lightning.denoiser import AVSyncUNet, save_original
from asva_lightning.errors import WeightsError

NAME = "mid_block.attentions.0.transformer_blocks.0.attn_temp.to_k.weight"


@pytest.fixture(scope="module")
def original(reference):
    return reference("unet_small", "unet")


@pytest.fixture
def released(original, tmp_path):
    """A checkpoint folder as the authors publish it."""
    folder = tmp_path / "ckpts" / "checkpoint-37000"
    unet = folder / "modules" / "unet"
    unet.mkdir(parents=True)
    config = {"_class_name": "AudioUNet3DConditionModel", "_diffusers_version": "0.19.0", "sample_size": 64}
    (unet / "config.json").write_text(json.dumps(config | original.facts["config"]))
    torch.save(original.weights, unet / "diffusion_pytorch_model.bin")
    return folder


def assert_same(unet, original):
    own = unet.state_dict()
    assert own.keys() == original.weights.keys()
    assert all(torch.equal(own[name], tensor) for name, tensor in original.weights.items())


@pytest.mark.parametrize("place", [".", "modules", "modules/unet", "modules/unet/diffusion_pytorch_model.bin"])
def test_a_released_checkpoint_is_read_from_wherever_one_points(released, original, place):
    assert_same(AVSyncUNet.from_original_folder(released / place), original)


def test_a_relative_path_is_never_looked_up_on_the_hub(released, original, monkeypatch):
    monkeypatch.chdir(released.parent.parent)
    assert_same(AVSyncUNet.from_original_folder("ckpts/checkpoint-37000"), original)
    with pytest.raises(WeightsError, match="There is no folder .*checkpoint-38000. Needed: ckpts/checkpoint-37000"):
        AVSyncUNet.from_original_folder("ckpts/checkpoint-38000")


def test_a_recipe_may_name_it(released, original):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--denoiser", type=torch.nn.Module)
    spec = {
        "class_path": "asva_lightning.denoiser.AVSyncUNet.from_original_folder",
        "init_args": {"folder": str(released), "trainable": "all"},
    }
    unet = parser.instantiate_classes(parser.parse_object({"denoiser": spec})).denoiser
    assert_same(unet, original)
    assert all(parameter.requires_grad for parameter in unet.parameters())


def test_in_out_and_in_again_loses_nothing(released, original, tmp_path):
    unet = AVSyncUNet.from_original_folder(released)
    save_original(unet, tmp_path / "again" / "unet")
    written = json.loads((tmp_path / "again" / "unet" / "config.json").read_text())
    assert written == {"_class_name": "AudioUNet3DConditionModel"} | original.facts["config"]
    tensors = load_file(tmp_path / "again" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == original.facts["state_dict_shapes"]
    again = AVSyncUNet.from_original_folder(tmp_path / "again")
    assert_same(again, original)
    assert dict(again.config) == dict(unet.config)


def test_any_network_can_be_written(small, tmp_path):
    unet = small.unet(attention_levels=(False, True), in_channels=12, out_channels=12, trainable="all")
    save_original(unet, tmp_path / "unet")
    again = AVSyncUNet.from_original_folder(tmp_path, trainable="all")
    names = [name for name in unet.config if not name.startswith("_")]
    assert all(again.config[name] == unet.config[name] for name in names)
    sample, conditions = small.sample(channels=12), small.conditions()
    level = torch.tensor([3])
    with torch.no_grad():
        assert torch.equal(again(sample, level, conditions), unet(sample, level, conditions))


def test_weights_of_a_training_that_diverged(released, original):
    weights = dict(original.weights) | {NAME: torch.full_like(original.weights[NAME], torch.nan)}
    torch.save(weights, released / "modules" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match=f"unet: tensor {NAME} holds .* NaN or infinite, so this training has div"):
        AVSyncUNet.from_original_folder(released)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio_cross_attention_dim": 1024}, r"does not fit: Tensor .*attn_audio.to_k.weight is \(32, 40\) in the ch"),
        ({"layers_per_block": 2}, "does not fit: Tensor .* is in the network, but not in the checkpoint"),
        ({"attention_head_dim": [4, 8, 8]}, r"does not fit: attention_head_dim is \[4, 8, 8\] .* published AVSyncD"),
        ({"_class_name": "UNet2DConditionModel"}, "_class_name is 'UNet2DConditionModel' .* 'AudioUNet3DConditionMod"),
        ({"up_block_types": ["FFSpatioTempResUpBlock3D"] * 3}, "up_block_types is "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_configuration(released, changes, message):
    path = released / "modules" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(WeightsError, match=message):
        AVSyncUNet.from_original_folder(released)


@pytest.mark.parametrize("kind", ["bin", "safetensors"])
def test_a_file_that_was_not_copied_whole(released, original, kind):
    path = released / "modules" / "unet" / f"diffusion_pytorch_model.{kind}"
    if kind == "safetensors":
        save_file(original.weights, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=f"model.{kind} cannot be read; .* It should hold the UNet of an AVSyncD ch"):
        AVSyncUNet.from_original_folder(released)


def test_a_folder_that_holds_no_checkpoint(released, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        WeightsError, match=r"empty holds no AVSyncD checkpoint: there is no config.json in it, in unet"
    ):
        AVSyncUNet.from_original_folder(tmp_path / "empty")
    shutil.move(released / "modules" / "unet" / "config.json", tmp_path)
    with pytest.raises(WeightsError, match=r"config.json is missing. Give the folder that holds config.json and the w"):
        AVSyncUNet.from_original_folder(released / "modules" / "unet" / "diffusion_pytorch_model.bin")
