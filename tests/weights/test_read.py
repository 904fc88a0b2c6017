"""Weight files and folders are read as they are; what is damaged, foreign or no weights is refused in words."""

import argparse
import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from asva_lightning.errors import WeightsError
from asva_lightning.weights import check_finite, read_config, read_model_folder, read_tensors

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3).half(), "b": torch.tensor([1.5, -2.0]), "n": torch.tensor(7)}
STEM = "diffusion_pytorch_model"


def same(tensors, expected=None):
    expected = WEIGHTS if expected is None else expected
    return tensors.keys() == expected.keys() and all(
        torch.equal(tensors[name], value) and tensors[name].dtype == value.dtype for name, value in expected.items()
    )


def refuse(path, message):
    with pytest.raises(WeightsError, match=message) as caught:
        read_tensors(path, "the UNet of a test")
    assert "the UNet of a test" in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("suffix", [".bin", ".pth", ".pt", ".ckpt", ".pth.tar"])
@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save(tmp_path, suffix, zipped):
    path = tmp_path / f"weights{suffix}"
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(path, "a test"))


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    assert same(read_tensors(tmp_path / "weights.safetensors", "a test"))


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_what_a_training_program_put_around_the_tensors_is_taken_off(tmp_path, key):
    torch.save({"epoch": 3, key: WEIGHTS, "optimizer": {"lr": 0.1}}, tmp_path / "weights.pth")
    assert same(read_tensors(tmp_path / "weights.pth", "a test"))


def test_a_missing_file(tmp_path):
    refuse(tmp_path / "weights.pth", "is missing. It should hold the UNet of a test. Check the path, or copy the file")


def test_a_name_that_is_none_of_a_weight_file(tmp_path):
    (tmp_path / "weights.onnx").touch()
    refuse(tmp_path / "weights.onnx", "does not end in .safetensors, .bin, .* Give the weight file itself")


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.999])
def test_a_file_that_was_cut_off(tmp_path, kind, kept):
    path = tmp_path / ("weights.safetensors" if kind == "safetensors" else "weights.pth")
    large = {"a": torch.zeros(3000)}
    if kind == "safetensors":
        save_file(large, path)
    else:
        torch.save(large, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refuse(path, r"cannot be read; it is damaged or was not copied whole \(.+\)\. .* Copy or fetch it again")


def test_a_web_page_in_place_of_a_file(tmp_path):
    for name in ("weights.pth", "weights.safetensors"):
        (tmp_path / name).write_text("<!DOCTYPE html><html>Please confirm the download</html>")
        refuse(tmp_path / name, "cannot be read; it is damaged or was not copied whole")


class Touch:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_program_in_the_file_is_refused_and_not_run(tmp_path, zipped):
    content = {"a": torch.zeros(1), "run": Touch(tmp_path / "touched")}
    torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    refuse(tmp_path / "weights.pth", "holds objects of .*open beside tensors, .*it was not loaded. Save its tensors")
    assert not (tmp_path / "touched").exists()


def test_foreign_objects_are_named(tmp_path):
    torch.save({"state_dict": WEIGHTS, "arguments": argparse.Namespace(lr=1)}, tmp_path / "weights.ckpt")
    refuse(tmp_path / "weights.ckpt", "holds objects of argparse.Namespace beside tensors")


def test_a_bare_pickle(tmp_path):
    (tmp_path / "weights.pth").write_bytes(pickle.dumps({"a": [1.0]}, protocol=2))
    refuse(tmp_path / "weights.pth", "cannot be read; it is damaged or was not copied whole")


def test_a_torchscript_program(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "i3d.pt")
    refuse(tmp_path / "i3d.pt", "is a TorchScript program. Give the file of its tensors")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.zeros(1)], "holds a list"),
        (torch.zeros(1), "holds a Tensor"),
        ({"a": torch.zeros(1), "step": 3}, "holds entries that are no tensors: step"),
        ({"state_dict": {"a": 1}}, "holds entries that are no tensors: a"),
        ({1: torch.zeros(1)}, "holds names that are no text: 1"),
        ({}, "holds nothing"),
    ],
    ids=str,
)
def test_no_mapping_of_tensors(tmp_path, content, found):
    torch.save(content, tmp_path / "weights.pth")
    refuse(tmp_path / "weights.pth", f"as tensors by name, at its top or under state_dict or model, but {found}")


def write_shards(folder, suffix="safetensors", variant=""):
    """Two shards and their index, as diffusers names them."""
    places = {}
    for number, names in enumerate((["a.weight"], ["b", "n"]), start=1):
        name = f"{STEM}-0000{number}-of-00002.{suffix}"
        name = name.replace(STEM, f"{STEM}.{variant}") if variant else name
        part = {tensor: WEIGHTS[tensor] for tensor in names}
        save_file(part, folder / name) if suffix == "safetensors" else torch.save(part, folder / name)
        places |= dict.fromkeys(names, name)
    index = folder / (f"{STEM}.{suffix}.index.{variant}.json" if variant else f"{STEM}.{suffix}.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("variant", ["", "fp16"])
@pytest.mark.parametrize("sharded", [False, True])
def test_every_layout_of_a_folder(tmp_path, suffix, variant, sharded):
    if sharded:
        write_shards(tmp_path, suffix, variant)
    else:
        name = f"{STEM}.{variant}.{suffix}" if variant else f"{STEM}.{suffix}"
        save_file(WEIGHTS, tmp_path / name) if suffix == "safetensors" else torch.save(WEIGHTS, tmp_path / name)
    assert same(read_model_folder(tmp_path, "a test"))


def test_other_stems(tmp_path):
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    assert same(read_model_folder(tmp_path, "a test", stem="model"))


def test_full_precision_safetensors_come_first_then_bin_then_variants(tmp_path):
    kinds = [f"{STEM}.safetensors", f"{STEM}.bin", f"{STEM}.fp16.safetensors"]
    for number, name in enumerate(kinds):
        content = {"a": torch.tensor(number)}
        save_file(content, tmp_path / name) if name.endswith("safetensors") else torch.save(content, tmp_path / name)
    for number, name in enumerate(kinds):
        assert read_model_folder(tmp_path, "a test")["a"] == number
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], f"has no {STEM}.safetensors or {STEM}.bin, so it is not a test. Give the folder that holds config.json"),
        ([f"{STEM}.fp16.bin", f"{STEM}.non_ema.bin"], "in several kinds and no plain one: fp16, non_ema. Name the one"),
    ],
)
def test_folders_without_weights_to_choose(tmp_path, files, message):
    for name in files:
        torch.save(WEIGHTS, tmp_path / name)
    with pytest.raises(WeightsError, match=message):
        read_model_folder(tmp_path, "a test")


def test_a_missing_folder(tmp_path):
    with pytest.raises(WeightsError, match="nowhere is missing. It should be the folder of a test. Check the path"):
        read_model_folder(tmp_path / "nowhere", "a test")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/outside.safetensors", "a\\b.safetensors", "..", ""])
def test_shards_outside_the_folder_are_not_opened(tmp_path, name):
    index = write_shards(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a.weight": name}}))
    with pytest.raises(WeightsError, match="is not a file name in its folder; it was not opened. Fetch the folder"):
        read_model_folder(tmp_path, "a test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.write_text('{"weight_map": {"a'), "index.json is damaged: "),
        (lambda index: index.write_text("[]"), "holds a list where a JSON object belongs"),
        (lambda index: index.write_text("{}"), "it has no weight_map"),
        (lambda index: index.with_name(f"{STEM}-00002-of-00002.safetensors").unlink(), "00002-of-00002.* is missing"),
        (
            lambda index: save_file({}, index.with_name(f"{STEM}-00002-of-00002.safetensors")),
            r"00002-of-00002.safetensors cannot be read; .* \(the index promises tensor b\)",
        ),
    ],
)
def test_damaged_shards(tmp_path, change, message):
    change(write_shards(tmp_path))
    with pytest.raises(WeightsError, match=message):
        read_model_folder(tmp_path, "a test")


def test_config(tmp_path):
    with pytest.raises(WeightsError, match=r"config.json is missing. Give the folder that holds config.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text('{"in_channels": 4}')
    assert read_config(tmp_path) == {"in_channels": 4}
    for content, message in (("{", "is damaged"), ("3", "holds a int where a JSON object belongs")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(WeightsError, match=message):
            read_config(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite(dtype, bad):
    tensor = torch.zeros(3, 5, dtype=dtype)
    tensor[1, 2] = bad
    with pytest.raises(WeightsError, match=r"a file: tensor b holds 1 values that are NaN or infinite, so this train"):
        check_finite({"a": torch.ones(2), "b": tensor, "c": torch.full((1,), bad)}, "a file")


def test_infinities_that_cancel_are_found():
    with pytest.raises(WeightsError, match="tensor a holds 2 values"):
        check_finite({"a": torch.tensor([float("inf"), float("-inf")])}, "a file")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_largest_values_are_finite(dtype):
    check_finite({"a": torch.full((4000,), torch.finfo(dtype).max, dtype=dtype), "n": torch.tensor([2**62])}, "a file")
