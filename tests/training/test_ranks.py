"""Two ranks with half the batch each are one rank with all of it."""

import json

import pytest
from runs_for_tests import assert_same, checkpoint, launch, only_run, words

STEPS, TWO = 50, ("--trainer.strategy=ddp", "--trainer.devices=2")
SETTINGS = (
    f"--trainer.max_steps={STEPS}", "--trainer.log_every_n_steps=1", "--trainer.callbacks=null",
    "--trainer.callbacks+=training.recording.Recorder", "--run.validate_every=25",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(synth_shards, tmp_path_factory):
    made = {}
    for devices in (1, 2):
        root = tmp_path_factory.mktemp(f"devices{devices}")
        strategy = TWO if devices == 2 else ()
        launch(words("fit", synth_shards, root, *SETTINGS, *strategy))
        made[devices] = only_run(root)
    return made


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_the_loss_curve_is_the_same(runs):
    curves = {
        devices: {row["step"]: row["train/loss"] for row in rows(run / "metrics.jsonl") if "train/loss" in row}
        for devices, run in runs.items()
    }
    assert sorted(curves[1]) == list(range(STEPS))
    assert max(abs(curves[1][step] - curves[2][step]) for step in curves[1]) < 1e-4
    assert max(curves[1].values()) - min(curves[1].values()) > 0.05, "a flat curve would prove nothing"


@pytest.mark.slow
def test_ranks_take_different_clips_and_draw_different_noise(runs):
    one = rows(runs[1] / "rank0.jsonl")
    halves = rows(runs[2] / "rank0.jsonl"), rows(runs[2] / "rank1.jsonl")
    for whole, left, right in zip(one, *halves):
        assert left["positions"] + right["positions"] == whole["positions"]
        assert left["noise"] + right["noise"] == whole["noise"]
        assert len(set(whole["noise"])) == len(whole["noise"])


@pytest.mark.slow
def test_validation_and_average_agree(runs):
    losses = [
        {row["step"]: row["validation/loss"] for row in rows(run / "metrics.jsonl") if "validation/loss" in row}
        for run in runs.values()
    ]
    assert sorted(losses[0]) == [25, 50]
    assert all(abs(losses[0][step] - losses[1][step]) < 1e-4 for step in losses[0])
    one, two = (checkpoint(run, STEPS)["average"]["parameters"] for run in runs.values())
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-3


@pytest.mark.slow
def test_scores_of_clips_that_ranks_share_unevenly_change_nothing_that_is_learnt(synth_shards, tmp_path):
    scores = {
        "class_path": "asva_lightning.training.callbacks.SyncScores",
        "init_args": {"every": 1, "clips": 3, "seconds": 1000},
    }
    made = {}
    for name, callbacks in (("watched", [scores]), ("alone", [])):
        settings = (
            f"--trainer.callbacks={json.dumps(callbacks)}",
            "--trainer.max_steps=3",
            "--run.validate_every=null",
        )
        launch(words("fit", synth_shards, tmp_path / name, *settings, *TWO))
        made[name] = only_run(tmp_path / name)
    of_runs = {name: rows(run / "metrics.jsonl") for name, run in made.items()}
    losses = {name: [row["train/loss"] for row in found if "train/loss" in row] for name, found in of_runs.items()}
    assert len(losses["alone"]) == 3
    assert losses["watched"] == losses["alone"]
    watched, alone = (checkpoint(run, 3) for run in made.values())
    for part in ("state_dict", "average", "optimizer_states"):
        assert_same(watched[part], alone[part], part)
    assert [row["sync/clips"] for row in of_runs["watched"] if "sync/clips" in row] == [3, 3, 3]
    assert not any("sync/excluded" in row for row in of_runs["watched"])
