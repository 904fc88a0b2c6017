"""The folder audio_encoder of the published AVSyncD checkpoints."""

import json

import pytest
import torch
from safetensors.torch import load_file

from asva_lightning.encoders import ImageBind
from asva_lightning.encoders.imagebind import audio_encoder_from_original_names, audio_encoder_to_original_names
from asva_lightning.errors import WeightsError

HEADS = {"audio": 4, "text": 4}


@pytest.fixture(scope="module")
def official(reference):
    return reference("imagebind_small", "imagebind")


@pytest.fixture(scope="module")
def weights(official):
    return {name: tensor for name, tensor in official.weights.items() if ".audio." in name}


@pytest.fixture
def published(weights):
    """The tensors of an audio_encoder folder, named here by their rule, not by the code that is tested."""
    parts = ("preprocessor", "trunk", "head", "postprocessor")
    found = {
        f"{part}.{name.removeprefix(f'modality_{part}s.audio.')}": tensor
        for part in parts
        for name, tensor in weights.items()
        if name.startswith(f"modality_{part}s.audio.")
    }
    assert len(found) == len(weights)
    return found | {"final_layer_norm.weight": torch.ones(48), "final_layer_norm.bias": torch.zeros(48)}


def same(left, right):
    return set(left) == set(right) and all(torch.equal(tensor, right[name]) for name, tensor in left.items())


def test_names_are_translated_both_ways_without_loss(weights, published):
    assert same(audio_encoder_to_original_names(published), weights)
    assert same(audio_encoder_from_original_names(weights), published)


def test_the_model_gives_the_names_of_the_published_checkpoints(official, published):
    model = ImageBind.from_original(official.weights, HEADS, ["audio", "text"])
    assert same(model.audio_encoder_state_dict(), published)


@torch.no_grad()
@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
def test_a_published_folder_is_read(official, published, tmp_path, stored):
    torch.save(
        {name: tensor.to(stored) for name, tensor in published.items()}, tmp_path / "diffusion_pytorch_model.bin"
    )
    (tmp_path / "config.json").write_text(json.dumps({"n_segment": 12, "pretrained_model_name": "imagebind_huge"}))
    model = ImageBind.from_audio_encoder_folder(tmp_path, HEADS)
    theirs = official.tensors["audio_tokens_normed"]
    assert model.dtype == torch.float32
    tolerance = 2e-4 if stored == torch.float32 else 2e-2
    assert (model.audio_tokens(official.tensors["audio_mel"]) - theirs).abs().max() <= tolerance * theirs.std()
    assert ImageBind.from_audio_encoder_folder(tmp_path, HEADS, dtype=None).dtype == stored


def test_a_folder_is_written_as_the_original_reads_it(official, published, tmp_path):
    model = ImageBind.from_original(official.weights, HEADS, ["audio"])
    model.save_audio_encoder_folder(tmp_path / "audio_encoder")
    assert same(load_file(tmp_path / "audio_encoder" / "diffusion_pytorch_model.safetensors"), published)
    config = json.loads((tmp_path / "audio_encoder" / "config.json").read_text())
    assert (config["n_segment"], config["pretrained_model_name"]) == (12, "imagebind_huge")
    again = ImageBind.from_audio_encoder_folder(tmp_path / "audio_encoder", HEADS)
    assert same(again.state_dict(), model.state_dict())


@pytest.mark.parametrize(("name", "constant"), [("final_layer_norm.weight", 1), ("final_layer_norm.bias", 0)])
def test_a_final_normalisation_that_was_trained_is_refused(published, name, constant):
    published[name] = published[name].clone()
    published[name][3] += 0.01
    with pytest.raises(WeightsError, match=f"Tensor {name} is not {constant} everywhere: .* was trained further"):
        audio_encoder_to_original_names(published)


def test_tensors_that_do_not_belong_are_named(weights, published):
    with pytest.raises(WeightsError, match="Tensor final_layer_norm.weight is missing: this is not an audio_encoder"):
        audio_encoder_to_original_names(weights)
    with pytest.raises(WeightsError, match="Tensor conv_in.weight does not belong to an audio_encoder"):
        audio_encoder_to_original_names(published | {"conv_in.weight": torch.zeros(1)})
    other = "modality_heads.vision.0.bias"
    for name in (other, "conv_in.weight"):
        with pytest.raises(WeightsError, match=f"Tensor {name} is not of ImageBind's audio tower"):
            audio_encoder_from_original_names(weights | {name: torch.zeros(1)})
    token = "modality_preprocessors.audio.cls_token"
    with pytest.raises(WeightsError, match=f"Tensor {token} is missing"):
        audio_encoder_from_original_names({name: tensor for name, tensor in weights.items() if name != token})


def test_errors_say_which_folder(published, tmp_path):
    with pytest.raises(WeightsError, match=rf"{tmp_path / 'nowhere'} is missing.*the audio encoder of AVSyncD"):
        ImageBind.from_audio_encoder_folder(tmp_path / "nowhere")
    del published["head.2.weight"]
    torch.save(published, tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match=rf"{tmp_path}: Tensor modality_heads.audio.2.weight is missing"):
        ImageBind.from_audio_encoder_folder(tmp_path, HEADS)


def test_a_model_that_cannot_hear_has_no_such_folder(official, tmp_path):
    model = ImageBind.from_original(official.weights, HEADS, ["text"])
    with pytest.raises(WeightsError, match="The audio tower is not loaded; this model holds: text"):
        model.save_audio_encoder_folder(tmp_path / "audio_encoder")
    assert not (tmp_path / "audio_encoder").exists()
