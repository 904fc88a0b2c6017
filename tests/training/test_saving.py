"""Stopping on request."""

import os
import signal

import pytest
from lightning.pytorch.callbacks import Callback
from runs_for_tests import assert_same, checkpoint, only_run, words

from asva_lightning.cli import main
from asva_lightning.runs.preemption import EXIT_PREEMPTED


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


def test_nothing_unfinished_is_left_beside_checkpoints(synth_shards, tmp_path):
    main(words("fit", synth_shards, tmp_path, "--trainer.callbacks=null", "--run.save_every=1", "--run.keep=1"))
    assert [path.name for path in (only_run(tmp_path) / "checkpoints").iterdir()] == ["step_000002.ckpt"]
