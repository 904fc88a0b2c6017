"""Inception-v3 for FID and I3D for FVD, from files."""

import re

import pytest
import torch
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, max_pool2d

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.fvd import FVD
from asva_lightning.metrics.i3d import I3D
from asva_lightning.metrics.inception import InceptionV3


@pytest.fixture(scope="module")
def inception():
    """Random weights that keep their scale through the layers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = InceptionV3()
        for name, tensor in network.state_dict().items():
            if name.endswith("conv.weight"):
                torch.nn.init.kaiming_normal_(tensor)
            elif name.endswith(("running_mean", "bn.bias")):
                tensor.normal_(std=0.1)
            elif name.endswith(("running_var", "bn.weight")):
                tensor.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def layer(inception):
    """One convolution of the network, written out from its tensors."""
    weights = inception.state_dict()

    def run(hidden, name, stride=1, padding=0):
        hidden = conv2d(hidden, weights[f"{name}.conv.weight"], stride=stride, padding=padding)
        mean, variance, scale, shift = (
            weights[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return batch_norm(hidden, mean, variance, scale, shift, eps=0.001).relu()

    return run


def test_inception_has_the_size_that_is_known_of_it(inception):
    """23 834 568 weights with a classifier of 1000 classes, which is not here."""
    assert sum(weight.numel() for weight in inception.parameters()) == 23_834_568 - 2048 * 1000 - 1000
    assert len(inception.state_dict()) == 94 * 6, "94 convolutions, each with its normalisation"


@torch.no_grad()
def test_blocks_against_their_description(inception, layer):
    hidden = torch.rand(1, 192, 9, 9)
    mean = avg_pool2d(hidden, 3, 1, 1, count_include_pad=False)
    expected = torch.cat(
        [
            layer(hidden, "Mixed_5b.branch1x1"),
            layer(layer(hidden, "Mixed_5b.branch5x5_1"), "Mixed_5b.branch5x5_2", padding=2),
            layer(
                layer(layer(hidden, "Mixed_5b.branch3x3dbl_1"), "Mixed_5b.branch3x3dbl_2", padding=1),
                "Mixed_5b.branch3x3dbl_3",
                padding=1,
            ),
            layer(mean, "Mixed_5b.branch_pool"),
        ],
        dim=1,
    )
    assert torch.allclose(inception.Mixed_5b(hidden), expected, atol=1e-5)

    hidden = torch.rand(1, 768, 9, 9)
    left = layer(layer(hidden, "Mixed_7a.branch3x3_1"), "Mixed_7a.branch3x3_2", stride=2)
    right = layer(hidden, "Mixed_7a.branch7x7x3_1")
    right = layer(layer(right, "Mixed_7a.branch7x7x3_2", padding=(0, 3)), "Mixed_7a.branch7x7x3_3", padding=(3, 0))
    right = layer(right, "Mixed_7a.branch7x7x3_4", stride=2)
    expected = torch.cat([left, right, max_pool2d(hidden, 3, 2)], dim=1)
    assert torch.allclose(inception.Mixed_7a(hidden), expected, atol=1e-5)


@pytest.mark.parametrize(("block", "channels", "maximum"), [("Mixed_7b", 1280, False), ("Mixed_7c", 2048, True)])
@torch.no_grad()
def test_only_the_last_block_pools_by_the_maximum(inception, layer, block, channels, maximum):
    hidden = torch.rand(1, channels, 5, 5)
    pooled = max_pool2d(hidden, 3, 1, 1) if maximum else avg_pool2d(hidden, 3, 1, 1, count_include_pad=False)
    single = layer(hidden, f"{block}.branch3x3_1")
    double = layer(layer(hidden, f"{block}.branch3x3dbl_1"), f"{block}.branch3x3dbl_2", padding=1)
    expected = [
        layer(hidden, f"{block}.branch1x1"),
        layer(single, f"{block}.branch3x3_2a", padding=(0, 1)),
        layer(single, f"{block}.branch3x3_2b", padding=(1, 0)),
        layer(double, f"{block}.branch3x3dbl_3a", padding=(0, 1)),
        layer(double, f"{block}.branch3x3dbl_3b", padding=(1, 0)),
        layer(pooled, f"{block}.branch_pool"),
    ]
    assert torch.allclose(inception.get_submodule(block)(hidden), torch.cat(expected, dim=1), atol=1e-5)


@torch.no_grad()
def test_the_whole_is_its_blocks_in_order(inception, layer):
    pictures = torch.rand(1, 3, 96, 80) * 2 - 1
    hidden = layer(layer(pictures, "Conv2d_1a_3x3", stride=2), "Conv2d_2a_3x3")
    hidden = max_pool2d(layer(hidden, "Conv2d_2b_3x3", padding=1), 3, 2)
    hidden = max_pool2d(layer(layer(hidden, "Conv2d_3b_1x1"), "Conv2d_4a_3x3"), 3, 2)
    for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
        hidden = inception.get_submodule(f"Mixed_{name}")(hidden)
    ours = inception(pictures)
    assert ours.shape == (1, 2048)
    assert torch.allclose(ours, hidden.flatten(2).mean(dim=2), rtol=1e-4)


def test_inception_is_read_from_a_file_with_its_classifier(inception, tmp_path):
    weights = {name: tensor for name, tensor in inception.state_dict().items() if "num_batches" not in name}
    torch.save({**weights, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, tmp_path / "fid.pth")
    metric = FID(tmp_path / "fid.pth")
    network = metric._network.network
    assert not network.training
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in weights.items())
    del weights["Mixed_6e.branch7x7_2.conv.weight"]
    torch.save(weights, tmp_path / "fid.pth")
    with pytest.raises(
        WeightsError, match=r"fid.pth does not hold FID.*Mixed_6e.branch7x7_2.conv.weight.* Give pt_incep"
    ):
        InceptionV3.from_file(tmp_path / "fid.pth")


def test_missing_weights_name_file_source_and_licence(tmp_path):
    with pytest.raises(WeightsError, match=r"pt_inception-2015-12-05-6726825d.pth .*pytorch-fid.*licence: Apache-2.0"):
        FID(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"none.pt does not exist. Needed: i3d_torchscript.pt .*licence: unstated"):
        FVD(tmp_path / "none.pt")


class Program(torch.nn.Module):
    """What the published file looks like from outside."""

    def forward(self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False):
        features = x.mean(dim=[2, 3, 4]).repeat(1, 2)
        if rescale or resize or not return_features:
            features = features * 0
        return features


def test_i3d_is_a_torchscript_file_that_gets_frames_made_ready_here(tmp_path):
    torch.jit.script(Program()).save(tmp_path / "i3d.pt")
    video = torch.rand(2, 3, 12, 8, 8)
    assert torch.allclose(I3D(tmp_path / "i3d.pt")(video), video.mean(dim=(2, 3, 4)).repeat(1, 2))
    with pytest.raises(ConfigurationError, match="at least 9 frames, not 8"):
        I3D(tmp_path / "i3d.pt")(video[:, :, :8])


def test_what_is_no_torchscript_program_is_refused(tmp_path):
    (tmp_path / "i3d.pt").write_bytes(b"no archive")
    with pytest.raises(WeightsError, match=re.escape("i3d.pt should hold I3D as a TorchScript program")):
        I3D(tmp_path / "i3d.pt")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "i3d.pt")
    with pytest.raises(WeightsError, match="Copy or fetch i3d_torchscript.pt again"):
        I3D(tmp_path / "i3d.pt")


def test_a_hub_id_is_never_looked_up_for_a_program(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("asked the Hub"))
    with pytest.raises(WeightsError, match="org/name/i3d.pt does not exist"):
        I3D("org/name/i3d.pt")
