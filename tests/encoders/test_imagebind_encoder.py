"""ImageBind as the audio encoder of the method."""

import pytest
import torch
from torch import nn

from asva_lightning.encoders import ImageBind, ImageBindAudio
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.errors import WeightsError
from asva_lightning.media import log_mel

HEADS = {"audio": 4, "text": 4}


@pytest.fixture(scope="module")
def official(reference):
    return reference("imagebind_small", "imagebind")


@pytest.fixture
def tower(official):
    return ImageBind.from_original(official.weights, HEADS, ["audio"])


@pytest.fixture(params=["from a file", "of a tower"])
def encoder(request, official, tower, tmp_path):
    if request.param == "of a tower":
        return ImageBindAudio.of(tower)
    path = tmp_path / "imagebind_huge.pth"
    torch.save({name: tensor for name, tensor in official.weights.items() if ".audio." in name}, path)
    return ImageBindAudio(str(path), heads=4)


@torch.no_grad()
def test_encoder_gives_the_normalised_tokens_of_the_sound(encoder, tower):
    waveform = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))
    tokens = encoder(waveform)
    assert encoder.channels == 48
    assert tokens.shape == (2, encoder.grid(32_000).tokens, 48)
    assert encoder.grid(32_000) == encoder.grid(8_000) == IMAGEBIND_GRID
    assert torch.equal(tokens, tower.audio_tokens(log_mel(waveform)))
    assert encoder(waveform[:, :8_000]).shape == tokens.shape


def test_the_tower_is_the_component_of_a_pipeline(tower):
    encoder = ImageBindAudio.of(tower)
    assert encoder.tower is tower
    assert encoder.component is tower


def test_encoder_stays_frozen_and_in_eval_mode(encoder):
    parent = nn.Sequential(encoder).train()
    assert parent.training
    assert not any(module.training for module in encoder.tower.modules())
    assert not any(parameter.requires_grad for parameter in encoder.tower.parameters())
    assert not encoder(torch.randn(1, 32_000)).requires_grad


def test_a_tower_in_train_mode_is_frozen_when_it_is_taken(tower):
    encoder = ImageBindAudio.of(tower.train().requires_grad_(True))
    assert not encoder.tower.training
    assert not any(parameter.requires_grad for parameter in encoder.tower.parameters())


def test_encoder_is_out_of_reach_of_optimizers_and_checkpoints(encoder):
    parent = nn.Sequential(encoder)
    assert list(parent.parameters()) == []
    assert parent.state_dict() == {}
    assert len(list(parent.modules())) == 2


def test_encoding_of_no_sound_is_made_once(encoder):
    calls = []
    encoder.tower.modality_trunks["audio"].register_forward_hook(lambda *_: calls.append(1))
    null = encoder.null(32_000)
    assert encoder.null(32_000) is null
    assert len(calls) == 1
    assert torch.equal(null, encoder.tower.audio_tokens(torch.zeros(1, 1, 128, 204)))


@torch.no_grad()
def test_a_tower_of_half_precision_gives_such_tokens(tower):
    waveform = 0.1 * torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0))
    single = ImageBindAudio.of(tower)(waveform)
    half = ImageBindAudio.of(tower.half())
    assert half(waveform).dtype == half.null(32_000).dtype == torch.float16
    assert (half(waveform).float() - single).abs().max() < 0.05


def test_a_model_that_cannot_hear_is_refused(official):
    with pytest.raises(WeightsError, match="needs ImageBind's audio tower; this model holds: text"):
        ImageBindAudio.of(ImageBind.from_original(official.weights, HEADS, ["text"]))
