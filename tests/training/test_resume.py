"""A run that was stopped and continued is the run that was not."""

import json

import pytest
import torch
from runs_for_tests import assert_same, checkpoint, fit

WATCHED = ("state_dict", "average", "optimizer_states", "lr_schedulers")


@pytest.fixture(scope="module")
def uninterrupted(synth_shards, tmp_path_factory):
    return fit(synth_shards, tmp_path_factory.mktemp("whole"), "--trainer.max_steps=6", "--run.save_every=3")


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_stopped_after_any_step_and_resumed_equals_uninterrupted(synth_shards, tmp_path, uninterrupted, stop):
    stopped = fit(synth_shards, tmp_path, f"--trainer.max_steps={stop}", "--run.save_every=3")
    run = fit(synth_shards, tmp_path, "--trainer.max_steps=6", "--run.save_every=3")
    assert run == stopped, "the same command continues in the same folder"
    one, other = checkpoint(uninterrupted, 6), checkpoint(run, 6)
    for part in WATCHED:
        assert_same(one[part], other[part], part)
    assert one["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [{"consumed": 6 * 4}]
    assert other["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [{"consumed": 6 * 4}]


def test_losses_of_the_resumed_steps_are_the_same(synth_shards, tmp_path, uninterrupted):
    fit(synth_shards, tmp_path, "--trainer.max_steps=4", "--run.save_every=3", "--trainer.log_every_n_steps=1")
    run = fit(synth_shards, tmp_path, "--trainer.max_steps=6", "--run.save_every=3", "--trainer.log_every_n_steps=1")
    losses = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "train/loss" in row:
            losses.setdefault(row["step"], row["train/loss"])
    assert sorted(losses) == [0, 1, 2, 3, 4, 5]
    again = fit(synth_shards, tmp_path / "again", "--trainer.max_steps=6", "--trainer.log_every_n_steps=1")
    rows = [json.loads(line) for line in (again / "metrics.jsonl").read_text().splitlines()]
    assert {row["step"]: row["train/loss"] for row in rows if "train/loss" in row} == losses


def test_every_step_is_logged_once_across_a_stop(synth_shards, tmp_path):
    for steps in (2, 5):
        fit(synth_shards, tmp_path, f"--trainer.max_steps={steps}", "--trainer.callbacks=null")
    run = fit(synth_shards, tmp_path, "--trainer.max_steps=6", "--trainer.callbacks=null")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "train/loss" in row] == [0, 1, 2, 3, 4, 5]


def test_only_the_last_checkpoints_are_kept(uninterrupted):
    assert sorted(path.name for path in (uninterrupted / "checkpoints").iterdir()) == [
        "step_000003.ckpt",
        "step_000006.ckpt",
    ]


def test_a_checkpoint_holds_trained_parameters_average_and_optimizer(uninterrupted):
    content = checkpoint(uninterrupted, 6)
    weights = content["state_dict"]
    assert set(content["average"]["parameters"]) == {name for name in weights if "metric" not in name.split(".")[0]} - {
        name for name in weights if name.startswith("validation_loss")
    }
    assert all(tensor.dtype == torch.float32 for tensor in content["average"]["parameters"].values())
    assert content["average"]["updates"] == 6
    assert len(content["optimizer_states"]) == 1


def test_a_run_continues_with_another_number_of_accumulated_batches(synth_shards, tmp_path):
    fit(synth_shards, tmp_path, "--trainer.max_steps=3")
    run = fit(synth_shards, tmp_path, "--trainer.max_steps=5", "--trainer.accumulate_grad_batches=2")
    whole = fit(synth_shards, tmp_path / "whole", "--trainer.max_steps=5", "--trainer.accumulate_grad_batches=2")
    one, other = checkpoint(run, 5), checkpoint(whole, 5)
    assert one["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [{"consumed": 5 * 4}]
    assert other["loops"]["fit_loop"]["state_dict"]["combined_loader"] == [{"consumed": 5 * 4}]
    for name, weights in one["state_dict"].items():
        torch.testing.assert_close(weights, other["state_dict"][name], atol=1e-3, rtol=0, msg=name)
