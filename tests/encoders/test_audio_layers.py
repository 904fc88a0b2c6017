"""Several layers of a frozen network, each with a trained Linear: ImageBind's, and what training sees of them."""

import pytest
import torch
from tiny_ast import write_tiny_ast
from torch import nn
from torch.nn.functional import layer_norm

from asva_lightning.encoders import AstAudio, ImageBind, ImageBindAudio, ImageBindLayers
from asva_lightning.encoders.windows import IMAGEBIND_GRID
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import log_mel

SOUND = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("imagebind") / "imagebind_huge.pth"
    tensors = reference("imagebind_small", "imagebind").weights
    torch.save({name: tensor for name, tensor in tensors.items() if ".audio." in name}, path)
    return str(path)


@pytest.fixture(scope="module")
def tower(weights):
    return ImageBind.from_file(weights, {"audio": 4})


@pytest.fixture(params=["ImageBind", "AST"])
def encoder(request, weights, tmp_path):
    options = {"layers": [1, 2], "layer_channels": 6, "join": "concatenate"}
    if request.param == "ImageBind":
        return ImageBindAudio(weights, heads=4, **options)
    return AstAudio(str(write_tiny_ast(tmp_path / "ast")), **options)


@torch.no_grad()
def test_without_layers_it_is_the_method_bit_for_bit(weights, tower):
    mel = log_mel(SOUND)
    tokens = tower.modality_trunks["audio"](*tower.modality_preprocessors["audio"](mel))
    encoder = ImageBindAudio(weights, heads=4)
    assert torch.equal(encoder(SOUND), layer_norm(tokens, tokens.shape[-1:], eps=1e-6))
    assert isinstance(encoder.component, ImageBind), "a pipeline keeps ImageBind itself, as before"
    assert list(encoder.parameters()) == []
    assert encoder.grids(32_000) == (IMAGEBIND_GRID,)


@torch.no_grad()
def test_states_are_those_after_each_block(tower):
    mel, trunk = log_mel(SOUND), tower.modality_trunks["audio"]
    hidden, mask = tower.modality_preprocessors["audio"](mel)
    after = []
    for block in trunk.blocks:
        hidden = block(hidden, mask)
        after.append(hidden)
    last, first = tower.audio_layers(mel, [len(after), 1])
    assert torch.equal(first, after[0])
    assert torch.equal(last, after[-1])
    assert torch.equal(layer_norm(last, last.shape[-1:], eps=1e-6), tower.audio_tokens(mel))


@torch.no_grad()
def test_layers_are_normalised_projected_and_joined(tower):
    states = tower.audio_layers(log_mel(SOUND), [2, 1])
    of_each = []
    for join, sets in (("sum", 1), ("concatenate", 2)):
        torch.manual_seed(3)
        encoder = ImageBindAudio.of(ImageBindLayers.of(tower, [2, 1], 6, join))
        linears = [encoder.project.linears[layer] for layer in ("2", "1")]
        of_each = [linear(layer_norm(state, (48,), eps=1e-6)) for linear, state in zip(linears, states)]
        wanted = sum(of_each) if join == "sum" else torch.cat(of_each, dim=1)
        assert torch.allclose(encoder(SOUND), wanted, atol=1e-6)
        assert encoder.grids(32_000) == (IMAGEBIND_GRID,) * sets
        assert encoder.null(32_000).shape == (1, 229 * sets, 6)


def test_training_reaches_the_linears_and_only_those(encoder):
    names = {f"project.linears.{layer}.{part}" for layer in (1, 2) for part in ("weight", "bias")}
    assert dict(encoder.named_parameters()).keys() == names
    assert encoder.state_dict().keys() == names, "what a checkpoint holds"
    frozen = {name: value for name, value in encoder.component.named_parameters() if "project" not in name}
    before = {name: value.clone() for name, value in frozen.items()}
    for tokens in (encoder(SOUND), encoder.null(32_000)):
        encoder.zero_grad()
        tokens.square().sum().backward()
        assert all(parameter.grad is not None and parameter.grad.any() for parameter in encoder.parameters())
    torch.optim.AdamW(encoder.parameters(), lr=0.1).step()
    assert all(value.grad is None and torch.equal(value, before[name]) for name, value in frozen.items())


def test_train_mode_and_types_of_training_leave_the_network_alone(encoder):
    nn.Sequential(encoder).train().bfloat16()
    network = next(child for name, child in encoder.component.named_children() if name != "project")
    assert not any(module.training for module in network.modules())
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert encoder(SOUND).dtype == encoder.null(32_000).dtype == torch.bfloat16


def test_the_network_itself_is_asked_once_about_no_sound(encoder):
    one = encoder.null(32_000)
    calls = []
    for module in encoder.component.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.mul_(2)
    assert torch.allclose(encoder.null(32_000), 2 * one, atol=1e-5), "the Linears as they are now"
    assert calls == []


def test_layers_that_are_not_there_are_refused(weights):
    with pytest.raises(ConfigurationError, match=r"layers \[9\] cannot be read from ImageBind's audio tower"):
        ImageBindAudio(weights, heads=4, layers=[9])
    with pytest.raises(ConfigurationError, match="layer_channels 6 has no effect without layers"):
        ImageBindAudio(weights, heads=4, layer_channels=6)
