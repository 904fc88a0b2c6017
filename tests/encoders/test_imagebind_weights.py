"""Reading ImageBind's official tensors and files, and what is said of those that do not fit."""

import re
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from asva_lightning.encoders import ImageBind
from asva_lightning.errors import ConfigurationError, WeightsError

HEADS = {"audio": 4, "vision": 4, "text": 4}


@pytest.fixture(scope="module")
def official(reference):
    return reference("imagebind_small", "imagebind")


@pytest.fixture(scope="module")
def weights(official):
    """The audio tower, without the large rest."""
    return {name: tensor for name, tensor in official.weights.items() if ".audio." in name}


SECOND = "modality_trunks.audio.blocks.1.attn.bias_k"
FIRST = "modality_trunks.audio.blocks.0.mlp.fc1.weight"
HEAD = "modality_heads.audio.2.weight"
EXTRA = "modality_trunks.audio.blocks.0.norm_3.weight"


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (SECOND, None, f"Tensor {SECOND} is missing: these weights of ImageBind are not complete"),
        (SECOND, torch.zeros(1, 1, 9), rf"Tensor {SECOND} is \(1, 1, 9\) where ImageBind has \(1, 1, 48\)"),
        (FIRST, None, f"Tensor {FIRST} is missing: ImageBind's audio tower is not here"),
        (FIRST, torch.zeros(3), rf"Tensor {FIRST} is \(3,\) where ImageBind has two dimensions"),
        (HEAD, None, f"Tensor {HEAD} is missing"),
        (EXTRA, torch.zeros(48), f"Tensor {EXTRA} has no place in ImageBind's towers"),
    ],
    ids=["missing", "other shape", "no tower", "no matrix", "no head", "unknown"],
)
def test_a_tensor_that_does_not_fit_is_named(weights, name, tensor, message):
    others = {key: value for key, value in weights.items() if key != name}
    with pytest.raises(WeightsError, match=f"{message}.*Use the official imagebind_huge.pth"):
        ImageBind.from_original(others | ({} if tensor is None else {name: tensor}), HEADS)


def test_towers_of_different_models_do_not_fit(official, weights):
    name = "modality_heads.vision.2.weight"
    mixed = official.weights | {name: torch.zeros(16, 48)}
    with pytest.raises(WeightsError, match=rf"Tensor {name} is \(16, 48\) where ImageBind has \(32, 48\)"):
        ImageBind.from_original(mixed, HEADS)


def test_other_weights_are_not_imagebind():
    with pytest.raises(WeightsError, match=f"Tensor {FIRST} is missing: this is not ImageBind"):
        ImageBind.from_original({"conv_in.weight": torch.zeros(1)}, HEADS)


def test_a_tower_that_the_tensors_lack_is_named(weights):
    with pytest.raises(WeightsError, match=r"modality_trunks\.text\..* is missing: ImageBind's text tower is not here"):
        ImageBind.from_original(weights, HEADS, ["audio", "text"])


@pytest.mark.parametrize(("modalities", "met"), [(["depth"], "'depth'"), ([], "no tower at all")])
def test_towers_that_are_not_built_here_are_refused(weights, modalities, met):
    with pytest.raises(ConfigurationError, match=f"has the towers audio, vision, text here; {met} was asked for"):
        ImageBind.from_original(weights, HEADS, modalities)


def test_heads_must_be_given_and_fit(weights):
    with pytest.raises(ConfigurationError, match=r"How many .* audio tower\? No tensor tells: give heads\['audio'\]"):
        ImageBind.from_original(weights, {"text": 4})
    with pytest.raises(ConfigurationError, match="48 wide cannot have 5 heads"):
        ImageBind.from_original(weights, {"audio": 5})


@pytest.mark.parametrize("name", ["imagebind_huge.pth", "imagebind.safetensors"])
@pytest.mark.parametrize("stored", [torch.float32, torch.float16])
def test_read_from_a_file(official, weights, tmp_path, name, stored):
    path = tmp_path / name
    text = {key: tensor for key, tensor in official.weights.items() if key.startswith("modality_heads.text")}
    tensors = {key: tensor.to(stored) for key, tensor in (weights | text).items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    for dtype in (torch.float32, torch.float16, None):
        own = ImageBind.from_file(path, HEADS, dtype=dtype).state_dict()
        assert set(own) == set(weights)
        for key, tensor in own.items():
            assert tensor.dtype == (dtype or stored)
            assert torch.equal(tensor, weights[key].to(stored).to(tensor.dtype))


def test_a_model_does_not_change_with_its_file(weights, tmp_path):
    path = tmp_path / "imagebind_huge.pth"
    torch.save(weights, path)
    model = ImageBind.from_file(path, HEADS)
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


PEAK = """
import re, sys
from pathlib import Path
from asva_lightning.encoders import ImageBind

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
for path in sys.argv[1:]:
    assert set(ImageBind.from_file(path, {"audio": 4}).towers) == {"audio"}
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_towers_that_are_not_asked_for_take_no_memory(weights, tmp_path):
    tensors = weights | {"modality_heads.vision.2.weight": torch.zeros(75_000_000)}
    files = tmp_path / "imagebind_huge.pth", tmp_path / "imagebind.safetensors"
    torch.save(tensors, files[0])
    save_file(tensors, files[1])
    assert all(file.stat().st_size > 300e6 for file in files)
    found = subprocess.run([sys.executable, "-c", PEAK, *files], check=True, capture_output=True, text=True)
    for file in files:
        file.unlink()
    assert int(found.stdout) < 100_000, "kB more than before, of files of 300 MB"


def test_a_missing_file_is_named_with_its_source_and_licence(tmp_path):
    path = tmp_path / "imagebind_huge.pth"
    source = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
    facts = rf"{re.escape(str(path))} does not exist.*{source}, 4.5 GB, licence: CC BY-NC-SA 4.0.*LogMelEncoder"
    with pytest.raises(WeightsError, match=facts):
        ImageBind.from_file(path)


class Anything:
    """What must not be unpickled."""


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b"<html>404</html>"), "cannot be read; it is damaged"),
        (lambda path: torch.save({"model": Anything()}, path), "should hold ImageBind's weights, but holds objects of"),
        (lambda path: torch.save([torch.zeros(2)], path), "but holds a list"),
        (lambda path: torch.save({"a": torch.zeros(2)}, path), f": Tensor {FIRST} is missing"),
    ],
    ids=["text", "object", "list", "other weights"],
)
def test_a_file_that_is_not_imagebind_is_named(tmp_path, write, message):
    path = tmp_path / "imagebind_huge.pth"
    write(path)
    with pytest.raises(WeightsError, match=f"{re.escape(str(path))}.*{message}"):
        ImageBind.from_file(path, modalities=None)
