import pickle

import pytest
import torch
from torch import nn

from asva_lightning.encoders import ImageBind, ImageBindAudio
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.errors import WeightsError
from asva_lightning.media import log_mel

HEADS = {"audio": 4}


@pytest.fixture(scope="module")
def official(reference):
    return reference("imagebind_small", "imagebind")


@pytest.fixture(scope="module")
def audio_weights(official):
    """What the audio tower needs, and one tensor of another tower, without the large rest."""
    weights = {name: tensor for name, tensor in official.weights.items() if ".audio." in name}
    return weights | {"modality_heads.vision.0.bias": official.weights["modality_heads.vision.0.bias"]}


@pytest.fixture(scope="module")
def file(audio_weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("imagebind") / "imagebind_huge.pth"
    torch.save(audio_weights, path)
    return path


@torch.no_grad()
def test_audio_tower_equals_the_reference(official):
    model = ImageBind.from_original(official.weights, HEADS)
    mel = official.tensors["audio_mel"]
    for name, ours in {
        "audio_tokens": model.trunk(mel),
        "audio_tokens_normed": model.audio_tokens(mel),
        "audio_embedding": model.embed("audio", mel),
    }.items():
        theirs = official.tensors[name]
        assert ours.shape == theirs.shape, name
        assert (ours - theirs).abs().max() <= 2e-4 * theirs.std(), name


def test_audio_tensors_have_the_official_names(official):
    own = ImageBind.from_original(official.weights, HEADS).state_dict()
    assert set(own) == {name for name in official.weights if ".audio." in name}


def test_a_tower_that_is_not_loaded_is_named(audio_weights):
    with pytest.raises(WeightsError, match="The vision tower is not loaded; this model holds: audio"):
        ImageBind.from_original(audio_weights, HEADS).embed("vision", torch.zeros(1, 3, 224, 224))


BLOCK = "modality_trunks.audio.blocks.1.attn.bias_k"
PATCHES = "modality_preprocessors.audio.rgbt_stem.proj.weight"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (BLOCK, None, f"do not fit ImageBind's audio tower: .*{BLOCK}"),
        (BLOCK, torch.zeros(1, 1, 9), f"do not fit ImageBind's audio tower: .*{BLOCK}"),
        (PATCHES, None, f"Tensor '{PATCHES}' is missing: this is not ImageBind. Use the official imagebind_huge.pth"),
    ],
    ids=["missing", "other shape", "not ImageBind"],
)
def test_a_tensor_that_does_not_fit_is_named(audio_weights, name, tensor, message):
    weights = {key: value for key, value in audio_weights.items() if key != name}
    with pytest.raises(WeightsError, match=f"(?s){message}"):
        ImageBind.from_original(weights | ({} if tensor is None else {name: tensor}), HEADS)


@torch.no_grad()
def test_read_from_the_official_file(official, file):
    mel = official.tensors["audio_mel"]
    from_file, from_tensors = ImageBind.from_file(file, HEADS), ImageBind.from_original(official.weights, HEADS)
    assert torch.equal(from_file.audio_tokens(mel), from_tensors.audio_tokens(mel))


def test_a_missing_file_is_named_with_its_source_and_licence(tmp_path):
    path = tmp_path / "imagebind_huge.pth"
    source = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
    with pytest.raises(WeightsError, match=rf"{path} is missing.*CC BY-NC-SA 4.0.*{source}.*LogMelEncoder"):
        ImageBind.from_file(path)


class Anything:
    """What must not be unpickled."""


def save_object(path):
    torch.save({"model": Anything()}, path)


def save_list(path):
    torch.save([torch.zeros(2)], path)


def save_plain_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1.0]}))


@pytest.mark.parametrize(
    "write",
    [lambda path: path.write_bytes(b"<html>404</html>"), lambda path: path.touch(), save_object, save_plain_pickle],
    ids=["text", "empty", "object", "pickle"],
)
def test_a_file_that_holds_no_tensors_is_refused(tmp_path, write):
    path = tmp_path / "imagebind_huge.pth"
    write(path)
    with pytest.raises(WeightsError, match=rf"(?s){path} is not a file of tensors .*Download it again"):
        ImageBind.from_file(path)


def test_a_file_without_names_is_refused(tmp_path):
    path = tmp_path / "imagebind_huge.pth"
    save_list(path)
    with pytest.raises(WeightsError, match=rf"{path} is not a file of tensors \(it holds a list\)"):
        ImageBind.from_file(path)


@pytest.fixture
def encoder(file):
    return ImageBindAudio(str(file), heads=4)


def tower(encoder):
    return encoder._tower.on(torch.device("cpu"))


@torch.no_grad()
def test_encoder_gives_the_normalised_tokens_of_the_sound(encoder, official):
    waveform = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))
    tokens = encoder(waveform)
    assert encoder.channels == 48
    assert tokens.shape == (2, encoder.grid(32_000).tokens, 48)
    assert encoder.grid(32_000) == encoder.grid(8_000) == IMAGEBIND_GRID
    model = ImageBind.from_original(official.weights, HEADS)
    assert torch.equal(tokens, model.audio_tokens(log_mel(waveform)))
    assert encoder(waveform[:, :8_000]).shape == tokens.shape


def test_encoder_stays_frozen_and_in_eval_mode(encoder):
    parent = nn.Sequential(encoder).train()
    assert parent.training
    assert not any(module.training for module in tower(encoder).modules())
    assert not any(parameter.requires_grad for parameter in tower(encoder).parameters())
    assert not encoder(torch.randn(1, 32_000)).requires_grad


def test_encoder_is_out_of_reach_of_optimizers_and_checkpoints(encoder):
    parent = nn.Sequential(encoder)
    assert list(parent.parameters()) == []
    assert parent.state_dict() == {}
    assert len(list(parent.modules())) == 2


def test_encoding_of_no_sound_is_made_once(encoder):
    calls = []
    tower(encoder).modality_trunks["audio"].register_forward_hook(lambda *_: calls.append(1))
    null = encoder.null(32_000)
    assert encoder.null(32_000) is null
    assert len(calls) == 1
    assert torch.equal(null, tower(encoder).audio_tokens(torch.zeros(1, 1, 128, 204)))
