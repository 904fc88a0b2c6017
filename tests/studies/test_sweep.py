"""The command: rows are resolved before anything runs, run, stopped, continued and tabulated."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.callbacks import Callback
from training.runs_for_tests import RECIPE, TINY, only_run, words

from asva_lightning.cli import main
from asva_lightning.studies.rows import rows_of
from asva_lightning.studies.sweep_file import read_sweep
from asva_lightning.training.callbacks import SaveAndStop

IN_CHANNELS = "model.init_args.denoiser.init_args.in_channels"
DROP = "model.init_args.audio_drop"
ANATOMY, LOOKUP = "model.init_args.denoiser.init_args.anatomy", "first_frame_lookup"
WINDOWS = "model.init_args.conditioner.init_args.windows"


class StopTheSweep(Callback):
    """Presses Ctrl-C in the sweep that started this run, and waits for what it says."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getppid(), signal.SIGINT)
            saving = next(one for one in trainer.callbacks if isinstance(one, SaveAndStop))
            until = time.monotonic() + 240
            while not saving.preemption.asked and time.monotonic() < until:
                time.sleep(0.05)


def write(folder: Path, shards: Path, **more) -> Path:
    """A sweep of the quickstart made small, with its runs below ``folder / "runs"``."""
    settings = {"data.shards": str(shards), "run.root": str(folder / "runs"), "trainer.max_steps": 3,
                "run.validate_every": 100, "trainer.callbacks": []} | more.pop("settings", {})  # fmt: skip
    settings = {key: value for key, value in settings.items() if value != "absent"}
    content = {"base": [str(RECIPE), str(TINY)], "differences": {"base": {}}, "seeds": [0], "settings": settings}
    path = folder / "method.yaml"
    content = {key: value for key, value in (content | more).items() if value is not None}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def sweep(file: Path, *more: str) -> int:
    """Run the command in this process; returns the exit code."""
    try:
        main(["sweep", str(file), *more])
    except SystemExit as stop:
        return stop.code
    return 0


def table(folder: Path) -> dict:
    return json.loads((folder / "runs" / "method" / "table.json").read_text())


def test_a_row_that_was_run_by_hand_counts_as_done(synth_shards, tmp_path, capsys):
    differences = {"base": {}, "half": {DROP: 0.5}}
    file = write(tmp_path, synth_shards, differences=differences, test=True, scores=["test/loss"])
    rows = rows_of(read_sweep(file))
    assert len({row.folder.path for row in rows}) == 2
    by_hand = words("fit", synth_shards, tmp_path / "runs", "--trainer.max_steps=3", "--run.validate_every=100",
                    "--trainer.callbacks=null", f"--{DROP}=0.5")  # fmt: skip
    main(by_hand)
    assert only_run(tmp_path / "runs") == rows[1].folder.path
    assert sweep(file, "--dry") == 0
    assert "| at step 3, not tested |" in capsys.readouterr().out
    assert not (tmp_path / "runs" / "method").exists(), "a dry run writes nothing"
    main(["test", *rows[1].words])
    assert sweep(file, "--only=half") == 0, "nothing is left to do"
    assert [row["state"] for row in table(tmp_path)["rows"]] == ["not started", "done"]
    lines = [json.loads(line) for line in rows[1].folder.metrics.read_text().splitlines()]
    loss = next(line["test/loss"] for line in lines if "test/loss" in line)
    assert table(tmp_path)["differences"][1]["scores"]["test/loss"]["mean"] == loss
    assert f"{loss:.4g}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sweep_is_stopped_and_continued_and_a_row_that_fails_does_not_stop_it(
    synth_shards, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{Path(__file__).parent.parent}")
    monkeypatch.setenv("ASVA_RUN_FOLDER", str(tmp_path / "elsewhere"))  # of a run that starts the sweep
    stop = {"class_path": "test_sweep.StopTheSweep", "init_args": {"step": 1}}
    file = write(tmp_path, synth_shards, differences={"base": {}, "broken": {IN_CHANNELS: 12}},
                 scores=["train/loss"], settings={"trainer.callbacks": [stop]})  # fmt: skip
    assert sweep(file, "--only=base") == 75
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert [row["state"] for row in table(tmp_path)["rows"]] == ["at step 2", "not started"]
    before = capsys.readouterr().out
    assert before.index("| not started |") < before.index("# method"), "the table comes first"

    assert sweep(file, "--jobs=2") == 1
    content = table(tmp_path)
    assert [row["state"] for row in content["rows"]] == ["done", "failed, not started"]
    logs = [next((tmp_path / "runs" / "method" / "logs").glob(f"{row['run']}.log")) for row in content["rows"]]
    assert "Continuing from" in logs[0].read_text()
    assert f"see {logs[1]}: error: The denoiser has in_channels 12" in content["notes"][0]
    assert (tmp_path / "runs" / content["rows"][0]["run"] / "checkpoints" / "step_000003.ckpt").exists()
    assert not (tmp_path / "elsewhere").exists()
    assert "1 of 2 runs are done" in (tmp_path / "runs" / "method" / "table.md").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"differences": {"a": {"data.batchsize": 3}}},
            "row a, seed 0: Subcommand 'fit' does not accept option 'data.b",
        ),
        ({"differences": {"a": {"model.init_args.nothing": 3}}}, "Option 'nothing' is not accepted"),
        ({"differences": {"a": {"data.batch_size": "many"}}}, "\"data.batch_size\":\n  Expected a <class 'int'>"),
        ({"differences": {"a": {"data.seed": "${data.nothing}"}}}, "Interpolation key"),
        ({"settings": {"trainer.max_steps": -1}}, "Set --trainer.max_steps or --trainer.max_time"),
        ({"settings": {"trainer.max_steps": -1, "trainer.max_time": "00:01:00:00"}}, "trainer.max_steps is not set"),
        ({"settings": {"run.save_every": 0}}, "--run.save_every must be at least 1"),
        ({"settings": {"run.folder": "here"}}, "run.folder is set. Remove it"),
        ({"settings": {"run.fresh": True}}, "run.fresh is set. Remove it"),
        ({"settings": {"ckpt_path": "a.ckpt"}}, "ckpt_path is set. Remove it"),
        (
            {"differences": {"a": {"run.root": "here"}, "b": {}}, "settings": {"run.root": "absent"}},
            "rows have different run.root (a, seed 0: here; b, seed 0: runs)",
        ),
        (
            {"differences": {"a": {}, "b": {DROP: 0.1}, "c": {DROP: 0.2}}},
            "rows that are the same run:\n  a, seed 0 and b, seed 0\nThey differ in nothing",
        ),
        (
            {"differences": {"a": {f"{ANATOMY}.{part}": False for part in ("temporal_convolution", LOOKUP)}}},
            "row a, seed 0: anatomy.first_frame_lookup is a part of the temporal convolution",
        ),
        (
            {"differences": {"a": {}, "b": {"model.init_args.sampling.scheduler": "FlowMatchEulerDiscreteScheduler"}}},
            "row b, seed 0: FlowMatchEulerDiscreteScheduler samples straight paths only",
        ),
        (
            {"differences": {"a": {WINDOWS: {"class_path": "RadiusWindows", "init_args": {"seconds": 0.001}}}}},
            "row a, seed 0: Frame 0, shown at 0.00 s, sees no audio token within 0.001 s",
        ),
        ({"differences": {"a": {DROP: 1.0}}}, "row a, seed 0: --model.audio_drop must be at least 0 and less than 1"),
        (
            {"differences": {"a": {}, "b": {"run.name": "other"}}},
            "rows that are the same run:\n  a, seed 0 and b, seed 0",
        ),
    ],
)
def test_rows_that_cannot_work_are_one_error_before_anything_runs(synth_shards, tmp_path, capsys, change, message):
    assert sweep(write(tmp_path, synth_shards, **change)) == 1
    said = capsys.readouterr()
    assert said.err.count("error: method: ") == 1
    assert message in said.err
    assert not said.out
    assert not (tmp_path / "runs").exists()


def test_the_words_of_the_command_are_checked(synth_shards, tmp_path, capsys):
    file = write(tmp_path, synth_shards)
    assert sweep(file, "--only=bass") == 1
    assert "--only: method has no row 'bass'. It has: base." in capsys.readouterr().err
    assert sweep(file, "--jobs=0") == 1
    assert "--jobs must be at least 1, not 0" in capsys.readouterr().err


def test_one_configuration_may_be_trained_for_different_lengths_under_different_names(synth_shards, tmp_path):
    longer = {"run.name": "longer", "trainer.max_steps": 5}
    differences = {"base": {"trainer.max_steps": 3}, "longer": longer}
    rows = rows_of(read_sweep(write(tmp_path, synth_shards, differences=differences,
                                    settings={"trainer.max_steps": "absent"})))  # fmt: skip
    assert [row.max_steps for row in rows] == [3, 5]
    first, second = (row.folder.path.name.rpartition("-") for row in rows)
    assert (first[0], second[0]) == ("quickstart", "longer")
    assert first[2] == second[2]
