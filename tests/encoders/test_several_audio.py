"""Several audio encoders at once."""

import pytest
import torch
from tiny_ast import write_tiny_ast
from torch.nn.functional import layer_norm

from asva_lightning.encoders import (
    AstAudio,
    ClassText,
    Conditioner,
    LogMelEncoder,
    PixelCodec,
    RadiusWindows,
    SegmentWindows,
    SeveralAudioEncoders,
)
from asva_lightning.encoders.components import audio_encoder_of, audio_weights
from asva_lightning.errors import ConfigurationError

SAMPLES, FRAMES = 16_000, 4
SOUND = 0.1 * torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(write_tiny_ast(tmp_path_factory.mktemp("several") / "ast"))


@pytest.fixture
def parts(folder):
    torch.manual_seed(0)
    return [AstAudio(folder, layers=[1, 3], layer_channels=6, join="concatenate"), LogMelEncoder(channels=10, layers=1)]


@pytest.fixture
def encoder(parts):
    return SeveralAudioEncoders(parts, channels=8)


def conditioner(encoder, windows):
    return Conditioner(PixelCodec(4), encoder, ClassText(["a drum"], channels=5), windows)


@torch.no_grad()
def test_tokens_of_each_encoder_follow_one_another(encoder, parts):
    one, two = (
        linear(layer_norm(part(SOUND), (part.channels,), eps=1e-6)) for linear, part in zip(encoder.linears, parts)
    )
    tokens = encoder(SOUND)
    assert encoder.channels == tokens.shape[2] == 8
    assert torch.equal(tokens, torch.cat([one, two], dim=1))
    assert encoder.null(SAMPLES).shape == (1, tokens.shape[1], 8)


@pytest.mark.parametrize("windows", [SegmentWindows(), RadiusWindows(0.15)])
def test_windows_look_at_each_grid_for_itself(encoder, parts, windows):
    grids = encoder.grids(SAMPLES)
    assert grids == (parts[0].grid(SAMPLES),) * 2 + (parts[1].grid(SAMPLES),)
    assert [grid.tokens for grid in grids] == [122, 122, 25]
    mask = conditioner(encoder, windows).mask(FRAMES, SAMPLES)
    own = [windows(FRAMES, grid, 1.0) for grid in grids]
    assert torch.equal(mask, torch.cat(own, dim=1))
    text = ["a drum", ""]
    conditions = conditioner(encoder, windows).conditions(SOUND, text, FRAMES)
    assert torch.equal(conditions.audio_mask, mask)
    assert conditions.audio.shape == (2, 269, 8)


def test_all_that_can_be_trained_is_trained_and_saved(encoder):
    encoder(SOUND).square().sum().backward()
    trained = {name: parameter.grad for name, parameter in encoder.named_parameters()}
    assert trained.keys() | {"encoders.1._number"} >= encoder.state_dict().keys()
    idle = {name for name, gradient in trained.items() if gradient is None or not gradient.any()}
    assert idle == {"encoders.1.nothing.weight"}, "that of no sound"
    parts = {name.rsplit(".", 2)[0] for name in trained}
    assert {"linears", "encoders.0.project.linears", "encoders.1"} <= parts
    assert not any("network" in name for name in trained)
    frozen = [name for name, parameter in encoder.component.named_parameters() if not parameter.requires_grad]
    assert all(name.startswith("networks.0.network.") for name in frozen)
    assert frozen


def test_it_is_saved_as_one_component_and_opened_again(encoder, tmp_path):
    encoder.component.save_pretrained(tmp_path)
    opened = audio_encoder_of(type(encoder.component).from_pretrained(tmp_path))
    assert torch.equal(opened(SOUND), encoder(SOUND))
    assert torch.equal(opened.null(SAMPLES), encoder.null(SAMPLES))
    assert audio_weights(opened.component) == ["ast"]


def test_it_can_be_offloaded_layer_by_layer(encoder):
    cpu_offload = pytest.importorskip("accelerate").cpu_offload
    wanted, nothing = encoder(SOUND), encoder.null(SAMPLES)
    cpu_offload(encoder.component, torch.device("cpu"), offload_buffers=True)
    assert {parameter.device.type for parameter in encoder.parameters()} == {"meta"}
    assert torch.equal(encoder(SOUND), wanted)
    assert torch.equal(encoder.null(SAMPLES), nothing)


class OwnEncoder(LogMelEncoder):
    sample_rate = 8_000


def test_what_cannot_be_is_refused(parts, tmp_path):
    with pytest.raises(ConfigurationError, match=r"one sample rate, not \[LogMelEncoder \(16000 Hz\), OwnEncoder"):
        SeveralAudioEncoders([parts[1], OwnEncoder()])
    with pytest.raises(ConfigurationError, match=r"takes one list of encoders.* not \[\]"):
        SeveralAudioEncoders([])
    with pytest.raises(ConfigurationError, match="Put all encoders into encoders"):
        SeveralAudioEncoders([parts[1], SeveralAudioEncoders([parts[0]])])
    with pytest.raises(ConfigurationError, match="A OwnEncoder cannot be exported as one of several audio encoders"):
        SeveralAudioEncoders([OwnEncoder()]).component.save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="There is no network 'Evil' for one of several audio encoders"):
        type(SeveralAudioEncoders([parts[1]]).component)([{"class": "Evil"}], 8)
    with pytest.raises(ConfigurationError, match="A Linear cannot be the audio_encoder"):
        audio_encoder_of(torch.nn.Linear(1, 1))
