"""ImageBind's three towers against reference numbers, in other types, saved, loaded and offloaded."""

import json

import pytest
import torch
from accelerate import cpu_offload
from accelerate.hooks import ModelHook, add_hook_to_module
from torch.nn.functional import cosine_similarity

from asva_lightning.encoders import ImageBind
from asva_lightning.encoders.imagebind import Tower
from asva_lightning.errors import ConfigurationError, WeightsError

HEADS = {"audio": 4, "vision": 4, "text": 4}
TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def official(reference):
    return reference("imagebind_small", "imagebind")


@pytest.fixture(scope="module")
def model(official):
    """All three towers, only to be read."""
    return ImageBind.from_original(official.weights, HEADS)


@pytest.fixture
def sound(official):
    """The audio tower, which a test may change."""
    return ImageBind.from_original(official.weights, HEADS, ["audio"])


def outputs(model, tensors):
    return {
        "audio_tokens": model.trunk(tensors["audio_mel"]),
        "audio_tokens_normed": model.audio_tokens(tensors["audio_mel"]),
        "audio_embedding": model.embed("audio", tensors["audio_mel"]),
        "image_embedding": model.embed("vision", tensors["image"]),
        "text_embedding": model.embed("text", tensors["text_ids"]),
    }


@torch.no_grad()
def test_every_output_equals_the_reference(model, official):
    for name, ours in outputs(model, official.tensors).items():
        theirs = official.tensors[name]
        assert ours.shape == theirs.shape, name
        assert (ours - theirs).abs().max() <= TOLERANCE * theirs.std(), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_half_precision_takes_inputs_of_single_precision(official, dtype):
    half = ImageBind.from_original(official.weights, HEADS, dtype=dtype)
    assert {tensor.dtype for tensor in half.state_dict().values()} == {dtype}
    for name, ours in outputs(half, official.tensors).items():
        theirs = official.tensors[name]
        assert ours.dtype == dtype, name
        similarity = cosine_similarity(ours.float().flatten(1), theirs.flatten(1))
        assert similarity.min() > 0.999, name


def test_tensors_have_the_official_names_and_values(model, official):
    own = model.state_dict()
    assert set(own) == set(official.weights)
    assert all(torch.equal(own[name], tensor) for name, tensor in official.weights.items())


def test_the_tensors_are_copied(official):
    weights = {name: tensor.clone() for name, tensor in official.weights.items() if ".audio." in name}
    model = ImageBind.from_original(weights, HEADS)
    name = "modality_heads.audio.2.weight"
    weights[name].zero_()
    assert torch.equal(model.state_dict()[name], official.weights[name])


def test_it_is_frozen_and_in_eval_mode(model):
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_sizes_are_read_from_the_tensors(model):
    assert model.towers == {
        "audio": Tower(width=48, heads=4, hidden=192, layers=3),
        "vision": Tower(width=48, heads=4, hidden=192, layers=2),
        "text": Tower(width=32, heads=4, hidden=128, layers=2),
    }
    assert model.config.embedding == 32


@pytest.mark.parametrize(
    ("modalities", "towers"),
    [(["audio"], {"audio"}), (["vision", "text"], {"vision", "text"}), (None, {"audio", "vision", "text"})],
)
def test_only_the_wanted_towers_are_built(official, modalities, towers):
    names = ImageBind.from_original(official.weights, HEADS, modalities).state_dict()
    assert {name.split(".")[1] for name in names} == towers


def test_what_the_tensors_hold_is_built(official):
    weights = {name: tensor for name, tensor in official.weights.items() if ".audio." in name}
    other = {"modality_trunks.depth.blocks.0.norm_1.weight": torch.zeros(3)}
    assert set(ImageBind.from_original(weights | other, HEADS).towers) == {"audio"}


@torch.no_grad()
def test_a_text_is_read_up_to_its_end_only(model, official):
    ids = official.tensors["text_ids"].clone()
    ids[:, 40:] = 7
    assert torch.equal(model.embed("text", ids), model.embed("text", official.tensors["text_ids"]))
    assert torch.equal(model.embed("text", ids.int()), model.embed("text", ids))
    ids[:, 1] = 7
    assert not torch.allclose(model.embed("text", ids), model.embed("text", official.tensors["text_ids"]))


@torch.no_grad()
def test_the_logit_scale_is_cut_at_100(sound, official):
    sound.modality_postprocessors["audio"][1].log_logit_scale.fill_(9.0)
    norms = sound.embed("audio", official.tensors["audio_mel"]).norm(dim=-1)
    assert torch.allclose(norms, torch.tensor(100.0))


@torch.no_grad()
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "bin"])
def test_saved_and_loaded_as_a_component_of_diffusers(sound, official, tmp_path, safe):
    sound.save_pretrained(tmp_path, safe_serialization=safe)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["audio"] == {"width": 48, "heads": 4, "hidden": 192, "layers": 3}
    assert config["vision"] is None
    mel = official.tensors["audio_mel"]
    for options in ({}, {"low_cpu_mem_usage": False}):
        loaded = ImageBind.from_pretrained(tmp_path, **options)
        assert torch.equal(loaded.embed("audio", mel), sound.embed("audio", mel))
        assert set(loaded.towers) == {"audio"}
    half = ImageBind.from_pretrained(tmp_path, torch_dtype=torch.float16)
    assert half.audio_tokens(mel).dtype == torch.float16


@torch.no_grad()
def test_three_towers_are_saved_and_loaded(model, official, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = ImageBind.from_pretrained(tmp_path)
    for name, tensor in outputs(loaded, official.tensors).items():
        assert torch.equal(tensor, outputs(model, official.tensors)[name]), name


@pytest.mark.parametrize(
    "call",
    [
        lambda sound, mel: sound.trunk(mel),
        lambda sound, mel: sound.audio_tokens(mel),
        lambda sound, mel: sound.embed("audio", mel),
    ],
    ids=["trunk", "audio_tokens", "embed"],
)
def test_an_offloaded_model_is_fetched_before_each_call(sound, official, call):
    fetched = []

    class Fetch(ModelHook):
        def pre_forward(self, module, *args, **kwargs):
            fetched.append(module)
            return args, kwargs

    add_hook_to_module(sound, Fetch())
    call(sound, official.tensors["audio_mel"])
    assert fetched == [sound]


@torch.no_grad()
def test_layers_that_are_offloaded_one_by_one_give_the_same(model, official):
    offloaded = ImageBind.from_original(official.weights, HEADS)
    cpu_offload(offloaded, torch.device("cpu"), offload_buffers=True)
    assert {parameter.device.type for parameter in offloaded.parameters()} == {"meta"}
    for name, tensor in outputs(offloaded, official.tensors).items():
        assert torch.equal(tensor, outputs(model, official.tensors)[name]), name


def test_a_tower_that_is_not_loaded_is_named(sound):
    with pytest.raises(WeightsError, match="The vision tower is not loaded; this model holds: audio"):
        sound.embed("vision", torch.zeros(1, 3, 224, 224))
    with pytest.raises(WeightsError, match="The depth tower is not loaded"):
        sound.embed("depth", torch.zeros(1, 1, 224, 224))


def test_hearing_needs_the_audio_tower(official):
    model = ImageBind.from_original(official.weights, HEADS, ["text"])
    for call in (model.trunk, model.audio_tokens):
        with pytest.raises(WeightsError, match="The audio tower is not loaded; this model holds: text"):
            call(torch.zeros(1, 1, 128, 204))


@pytest.mark.parametrize(
    ("modality", "shape", "message"),
    [
        ("audio", (1, 1, 128, 100), r"takes \(b, 1, 128, 204\), not \(1, 1, 128, 100\). .*log_mel"),
        ("vision", (3, 224, 224), r"takes \(b, 3, 224, 224\), not \(3, 224, 224\). .*prepare_pictures"),
        ("text", (1, 12), r"takes \(b, 77\), not \(1, 12\). .*tokenize"),
    ],
)
def test_inputs_of_another_shape_are_refused(model, modality, shape, message):
    with pytest.raises(ConfigurationError, match=f"ImageBind's {modality} tower {message}"):
        model.embed(modality, torch.zeros(shape))


SIZE = {"width": 8, "heads": 2, "hidden": 16, "layers": 1}


@pytest.mark.parametrize(
    ("towers", "message"),
    [
        ({}, "needs at least one tower: give audio, vision or text"),
        ({"audio": SIZE | {"heads": 3}}, "that is 8 wide cannot have 3 heads"),
        ({"audio": SIZE | {"layers": 0}}, "needs layers >= 1, not 0"),
        ({"text": {"width": 8}}, "text tower is described by width, heads, hidden, layers, not by width"),
        ({"text": {}}, "not by nothing"),
    ],
)
def test_a_model_that_cannot_be_is_refused(towers, message):
    with pytest.raises(ConfigurationError, match=message):
        ImageBind(embedding=4, **towers)
