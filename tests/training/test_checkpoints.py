"""Reading the weights of checkpoints."""

import shutil

import pytest
import torch
from runs_for_tests import checkpoint

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.training.checkpoints import read_checkpoint
from asva_lightning.training.restore import open_run_for_use


def newest(run):
    return max((run / "checkpoints").glob("*.ckpt"))


def test_averaged_and_raw_weights(trained):
    stored = torch.load(newest(trained), weights_only=True)
    averaged, raw = read_checkpoint(newest(trained)), read_checkpoint(newest(trained), "raw")
    assert averaged.step == raw.step == stored["global_step"] == 2
    name = "denoiser.conv_in.weight"
    assert torch.equal(averaged.weights[name], stored["average"]["parameters"][name])
    assert torch.equal(raw.weights[name], stored["state_dict"][name])
    assert not torch.equal(averaged.weights[name], raw.weights[name])
    assert averaged.weights.keys() == raw.weights.keys()


def test_a_run_opens_with_the_weights_asked_for(trained):
    name = "denoiser.conv_in.weight"
    for which in ("ema", "raw"):
        opened = open_run_for_use(trained, which)
        assert torch.equal(opened.task.state_dict()[name], read_checkpoint(newest(trained), which).weights[name])
    assert opened.config["run"]["name"] == "quickstart"
    assert not opened.task.training
    assert open_run_for_use(newest(trained)).checkpoint == newest(trained)


def test_a_checkpoint_is_of_the_run_that_it_lies_in_wherever_one_stands(trained, monkeypatch):
    monkeypatch.chdir(trained / "checkpoints")
    assert open_run_for_use(newest(trained).name).folder.path == trained
    monkeypatch.chdir(trained / "samples")
    assert open_run_for_use(f"../checkpoints/{newest(trained).name}").folder.path == trained


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.yaml describes no model, so this is no run. Give a folder that `fit` made."),
        ("model: some words", "config.yaml describes no model"),
        ("model: {", "config.yaml is damaged: line 1: "),
        ("model: {class_path: asva_lightning.training.Gone}", r"does not fit this version .* no attribute 'Gone'"),
        (
            "model: {class_path: asva_lightning.training.AnimationTask, init_args: {old: 1}}",
            r"config.yaml does not fit this version of the package; .*code.txt says .*'old' is not accepted",
        ),
    ],
)
def test_a_configuration_that_is_damaged_or_of_another_version_is_told(trained, tmp_path, text, message):
    copy = shutil.copytree(trained, tmp_path / "run")
    (copy / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=f"(?s){message}"):
        open_run_for_use(copy)


def test_a_run_without_an_average_has_raw_weights_only(trained, tmp_path):
    stored = torch.load(newest(trained), weights_only=True)
    del stored["average"]
    torch.save(stored, tmp_path / "step_000002.ckpt")
    with pytest.raises(RunError, match="has no averaged weights. Take the others with --weights raw"):
        read_checkpoint(tmp_path / "step_000002.ckpt")
    assert read_checkpoint(tmp_path / "step_000002.ckpt", "raw").weights


def test_damaged_checkpoints_are_refused(trained, tmp_path):
    path = tmp_path / "step_000002.ckpt"
    path.write_bytes(newest(trained).read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=r"step_000002\.ckpt cannot be read; it is damaged .* a checkpoint of `fit`"):
        read_checkpoint(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="is no checkpoint of `fit`: it holds no state_dict"):
        read_checkpoint(path)
    (tmp_path / "folder.ckpt").mkdir()
    with pytest.raises(WeightsError, match=r"holds no \*model_states.pt"):
        read_checkpoint(tmp_path / "folder.ckpt")


def test_weights_that_are_no_numbers_are_refused(trained, tmp_path):
    stored = checkpoint(trained, 2)
    stored["average"]["parameters"]["denoiser.conv_in.bias"][0] = torch.inf
    torch.save(stored, tmp_path / "step_000002.ckpt")
    with pytest.raises(WeightsError, match=r"denoiser\.conv_in\.bias"):
        read_checkpoint(tmp_path / "step_000002.ckpt")
