"""AST as an audio encoder, against transformers' own network and features."""

import shutil

import numpy as np
import pytest
import torch
from tiny_ast import BLOCKS, WIDTH, edit, write_tiny_ast
from torch import nn
from transformers import ASTFeatureExtractor, ASTModel

from asva_lightning.encoders import AstAudio
from asva_lightning.encoders.ast import AstLayout
from asva_lightning.encoders.components import audio_encoder_of
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import log_mel
from asva_lightning.weights import known_weights

SECOND = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_ast(tmp_path_factory.mktemp("ast") / "ast")


@pytest.fixture(scope="module")
def encoder(folder):
    return AstAudio(str(folder))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def noise(samples, clips=1, seed=0):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_ten_seconds_are_what_transformers_makes_of_them(encoder, folder):
    """1016 windows of sound, and the eight of padding with which transformers' features end and no patch begins."""
    sound = noise(1015 * 160 + 400, clips=2)
    features = ASTFeatureExtractor.from_pretrained(folder)(list(sound.numpy()), SECOND, return_tensors="pt")
    theirs = ASTModel.from_pretrained(folder).eval()(**features).last_hidden_state
    assert theirs.shape == (2, 1214, WIDTH)
    assert encoder.grid(sound.shape[1]).tokens == 1214
    assert (encoder(sound) - theirs).abs().max() < 1e-3


@torch.no_grad()
def test_hidden_states_of_layers_are_those_of_transformers(folder):
    encoder = AstAudio(str(folder), layers=[3, 1], join="concatenate")
    for linear in encoder.project.linears.values():
        nn.init.eye_(linear.weight)
        nn.init.zeros_(linear.bias)
    sound = noise(1015 * 160 + 400)
    inputs = log_mel(sound, 1024).squeeze(1).transpose(1, 2)
    states = ASTModel.from_pretrained(folder).eval()(inputs, output_hidden_states=True).hidden_states
    wanted = torch.cat([torch.nn.functional.layer_norm(states[layer], (WIDTH,), eps=1e-6) for layer in (3, 1)], dim=1)
    assert (encoder(sound) - wanted).abs().max() < 1e-4


def test_our_spectrogram_is_that_of_transformers():
    sound = noise(2 * SECOND)[0]
    theirs = ASTFeatureExtractor()(sound.numpy(), SECOND, return_tensors="np").input_values[0]
    assert np.abs(log_mel(sound, 1024)[0].T.numpy() - theirs).max() < 1e-3


@torch.no_grad()
def test_a_short_sound_gets_the_position_embeddings_of_its_own_columns(encoder, folder):
    """As if AST had been made for so short a sound, with those embeddings cut out of its own."""
    network = ASTModel.from_pretrained(folder)
    positions = network.embeddings.position_embeddings
    of_patches = positions[:, 2:].unflatten(1, (12, 101))[:, :, :20].flatten(1, 2)
    network.embeddings.position_embeddings = nn.Parameter(torch.cat([positions[:, :2], of_patches], dim=1))
    sound = noise(2 * SECOND)
    wanted = network.eval()(log_mel(sound, 206).squeeze(1).transpose(1, 2)).last_hidden_state
    tokens = encoder(sound)
    assert tokens.shape == (1, 242, WIDTH), "two tokens of the whole sound, 12 bands, 20 columns; no padding"
    assert (tokens - wanted).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("samples", "columns"), [(400, 1), (2800, 1), (2801 + 159, 2), (SECOND, 10), (2 * SECOND, 20), (10 * SECOND, 100)]
)
def test_columns_cover_the_sound(encoder, samples, columns):
    grid = encoder.grid(samples)
    assert (grid.leading, grid.rows, grid.columns) == (2, 12, columns)
    assert encoder.null(samples).shape == (1, grid.tokens, WIDTH)
    assert encoder.grids(samples) == (grid,)


@torch.no_grad()
def test_an_event_moves_the_tokens_at_its_time(folder):
    """Without blocks in between (attention mixes everything), a column changes if and only if it hears the event."""
    embed = AstAudio(str(folder)).component.network.embeddings
    quiet = 0.01 * noise(2 * SECOND)
    grid = AstLayout().grid(2 * SECOND)
    for at in (0.3, 1.0, 1.7):
        struck = quiet.clone()
        start = round(at * SECOND)
        struck[:, start : start + 80] += 5 * noise(80, seed=1)
        one, two = (embed(log_mel(sound, 206).squeeze(1).transpose(1, 2)) for sound in (quiet, struck))
        moved = (one - two)[0].abs().amax(dim=-1)
        assert moved[: grid.leading].max() == 0
        of_columns = moved[grid.leading :].unflatten(0, (grid.rows, grid.columns)).amax(dim=0)
        heard = of_columns > 0.3 * of_columns.max()
        # A patch is 175 ms long; the windows at its ends fade.
        assert heard[(grid.times - at).abs() < 0.06].all()
        assert not heard[(grid.times - at).abs() > 0.1].any()


def test_it_is_frozen_and_out_of_reach(folder):
    parent = nn.Sequential(AstAudio(str(folder))).train()
    network = parent[0].component.network
    assert not any(module.training for module in network.modules())
    assert not parent(noise(SECOND)).requires_grad
    assert list(parent.parameters()) == []
    assert parent.state_dict() == {}


def test_no_sound_is_encoded_once(folder):
    encoder, calls = AstAudio(str(folder)), []
    encoder.component.network.register_forward_hook(lambda *_: calls.append(1))
    assert torch.equal(encoder.null(SECOND), encoder.null(SECOND))
    assert len(calls) == 1


@torch.no_grad()
def test_blocks_after_the_last_that_is_read_are_left_out(folder):
    encoder = AstAudio(str(folder), layers=[1])
    assert encoder.component.network.config.num_hidden_layers == 1
    whole = AstAudio(str(folder), layers=[1, BLOCKS], join="concatenate")
    whole.project.load_state_dict(encoder.project.state_dict(), strict=False)
    sound = noise(SECOND)
    first, _ = whole(sound).chunk(2, dim=1)
    assert torch.allclose(encoder(sound), first, atol=1e-5)


def test_a_component_is_one_object_and_leads_back(folder):
    encoder = AstAudio(str(folder), layers=[2], layer_channels=5)
    again = audio_encoder_of(encoder.component)
    assert again.component is encoder.component
    assert encoder.component is encoder.component
    assert torch.equal(again(noise(SECOND)), encoder(noise(SECOND)))
    assert again.grid(SECOND) == encoder.grid(SECOND)


def test_too_long_a_sound_is_refused(encoder):
    with pytest.raises(ConfigurationError, match=r"hears at most 10\.2 s of sound, but a clip has 11\.0 s"):
        encoder.grid(11 * SECOND)


@pytest.mark.parametrize("layers", [[], [0], [4], [1, 1]])
def test_layers_that_are_not_there_are_refused(folder, layers):
    with pytest.raises(ConfigurationError, match=r"cannot be read from AST. Give one or several of its blocks, 1 to 3"):
        AstAudio(str(folder), layers=layers)


def test_a_width_without_layers_is_refused(folder):
    with pytest.raises(ConfigurationError, match=r"layer_channels 8 has no effect without layers.*layers: \[1, 3\]"):
        AstAudio(str(folder), layer_channels=8)


def test_missing_weights_name_source_and_licence(tmp_path):
    row = known_weights()["ast"]
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(WeightsError, match=f"{row.source}.*licence: BSD-3-Clause"):
            AstAudio(str(folder))


def test_other_networks_and_other_ears_are_refused(copy):
    edit(copy, "preprocessor_config.json", mean=-6.85)
    with pytest.raises(WeightsError, match=r"trained on spectrograms with mean -6.85, but here they have -4.26774"):
        AstAudio(str(copy))
    edit(copy, "config.json", model_type="clap")
    with pytest.raises(WeightsError, match="holds a network of the kind clap, not audio-spectrogram-transformer"):
        AstAudio(str(copy))


def test_damaged_weights_are_refused(copy):
    edit(copy, "config.json", num_hidden_layers=4)
    with pytest.raises(WeightsError, match=r"does not fit its config.json: see tensor layers.3.* Fetch it again"):
        AstAudio(str(copy))
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"cannot be read as an AST"):
        AstAudio(str(copy))
    (copy / "preprocessor_config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"preprocessor_config.json is no JSON"):
        AstAudio(str(copy))
