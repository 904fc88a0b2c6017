"""Stopping on request, and which checkpoints stay."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from runs_for_tests import assert_same, checkpoint, only_run, words

from asva_lightning.cli import main
from asva_lightning.runs.folder import RunFolder
from asva_lightning.runs.preemption import EXIT_PREEMPTED
from asva_lightning.training.callbacks import SaveAndStop


class SignalAt(Callback):
    """Sends this process the signal with which SLURM announces the end."""

    def __init__(self, step: int, number: int = int(signal.SIGUSR1)) -> None:
        self.step = step
        self.number = number

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


def test_a_signal_saves_the_step_and_leaves_with_code_75(synth_shards, tmp_path):
    signalled = words("fit", synth_shards, tmp_path / "stopped", "--trainer.max_steps=4", "--run.validate_every=100")
    begin = [*signalled, "--trainer.callbacks=null", "--trainer.callbacks+=test_saving.SignalAt",
             "--trainer.callbacks.step=1"]  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        main(begin)
    assert stop.value.code == EXIT_PREEMPTED == 75
    run = only_run(tmp_path / "stopped")
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_000002.ckpt"]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, "the handler is given back"
    main(begin)  # the same command: step 1 is behind it, so that no signal comes
    whole = words("fit", synth_shards, tmp_path / "whole", "--trainer.max_steps=4", "--run.validate_every=100")
    main([*whole, "--trainer.callbacks=null"])
    one, other = checkpoint(run, 4), checkpoint(only_run(tmp_path / "whole"), 4)
    for part in ("state_dict", "average", "optimizer_states"):
        assert_same(one[part], other[part], part)


def test_sigterm_is_answered_the_same_way(synth_shards, tmp_path):
    with pytest.raises(SystemExit) as stop:
        main([
            *words("fit", synth_shards, tmp_path, "--trainer.max_steps=4", "--run.validate_every=100"),
            "--trainer.callbacks=null", "--trainer.callbacks+=test_saving.SignalAt", "--trainer.callbacks.step=1",
            f"--trainer.callbacks.number={int(signal.SIGTERM)}",
        ])  # fmt: skip
    assert stop.value.code == EXIT_PREEMPTED
    assert [path.name for path in (only_run(tmp_path) / "checkpoints").iterdir()] == ["step_000002.ckpt"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "the handler is given back"


def test_ctrl_c_saves_the_step(synth_shards, tmp_path, capfd):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as stop:
            main([
                *words("fit", synth_shards, tmp_path, "--trainer.max_steps=4", "--run.validate_every=100"),
                "--trainer.callbacks=null", "--trainer.callbacks+=test_saving.SignalAt", "--trainer.callbacks.step=1",
                f"--trainer.callbacks.number={int(signal.SIGINT)}",
            ])  # fmt: skip
        assert stop.value.code == 130
        assert "Ctrl-C again stops at once" in capfd.readouterr().err
        assert [path.name for path in (only_run(tmp_path) / "checkpoints").iterdir()] == ["step_000002.ckpt"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the handler is given back"
    finally:
        signal.signal(signal.SIGINT, before)


def test_nothing_unfinished_is_left_beside_checkpoints(synth_shards, tmp_path):
    main(words("fit", synth_shards, tmp_path, "--trainer.callbacks=null", "--run.save_every=1", "--run.keep=1"))
    assert [path.name for path in (only_run(tmp_path) / "checkpoints").iterdir()] == ["step_000002.ckpt"]


class StopBehind(Callback):
    """Asks for the end as Lightning's time limit does, which knows nothing of accumulated batches."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = trainer.should_stop or batch_idx == self.batch


@pytest.mark.parametrize("batch", [2, 3])
def test_a_stop_between_accumulated_batches_waits_for_the_step(synth_shards, tmp_path, batch):
    more = ("--trainer.max_steps=4", "--trainer.accumulate_grad_batches=2", "--run.validate_every=null")
    stop = ("--trainer.callbacks=null", "--trainer.callbacks+=test_saving.StopBehind",
            f"--trainer.callbacks.batch={batch}")  # fmt: skip
    main(words("fit", synth_shards, tmp_path, *more, *stop))
    run = only_run(tmp_path)
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_000002.ckpt"]
    loops = checkpoint(run, 2)["loops"]["fit_loop"]
    assert loops["state_dict"]["combined_loader"] == [{"consumed": 2 * 4}]
    assert loops["epoch_loop.batch_progress"]["total"]["ready"] == 4


def save(folder: RunFolder, steps: list[int], keep: int = 2, **words) -> list[str]:
    """Save steps with a trainer that does nothing else; returns what lies in the folder after each."""

    def write(path, weights_only):
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({}, path)

    strategy = SimpleNamespace(barrier=lambda name: None)
    trainer = SimpleNamespace(is_global_zero=True, strategy=strategy, save_checkpoint=write, **words)
    saving = SaveAndStop(folder, keep=keep)
    if words:
        saving.on_train_start(trainer, None)
    seen = []
    for step in steps:
        saving._save(trainer, step)
        seen.append(" ".join(str(number) for number, _ in folder.numbered_checkpoints()))
    return seen


def test_checkpoints_are_kept_by_number_not_by_name(tmp_path):
    steps = [998_000, 999_000, 1_000_000, 1_001_000]
    assert save(RunFolder(tmp_path), steps) == ["998000", "998000 999000", "999000 1000000", "1000000 1001000"]


def test_what_was_just_saved_is_never_removed(tmp_path):
    folder = RunFolder(tmp_path)
    save(folder, [5000, 6000])
    assert save(folder, [4500], keep=1) == ["4500 6000"]


def test_a_run_that_goes_back_sets_its_later_checkpoints_aside(tmp_path, caplog):
    folder = RunFolder(tmp_path)
    save(folder, [4000, 5000, 6000], keep=3)
    assert save(folder, [4500, 5500], global_step=4000) == ["4000 4500", "4500 5500"]
    (told,) = caplog.messages
    assert told.startswith(
        "This run goes back to step 4000. Its later checkpoints are kept as aside_step_005000.ckpt, "
    )
    assert "leave --ckpt_path out" in told
    assert folder.latest_checkpoint() == folder.checkpoint(5500)
    assert (folder.checkpoints / "aside_step_006000.ckpt").exists()


def test_checkpoints_in_the_background_are_refused(synth_shards, tmp_path, capsys):
    plugin = "--trainer.plugins+=lightning.pytorch.plugins.io.AsyncCheckpointIO"
    with pytest.raises(SystemExit):
        main(words("fit", synth_shards, tmp_path, "--trainer.callbacks=null", plugin))
    assert "AsyncCheckpointIO writes checkpoints in the background" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
