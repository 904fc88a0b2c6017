"""Signals to all processes of a run at once, as batch systems and containers send them."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.worker_signals import leave_only_with_parent

ROOT = Path(__file__).parents[2]
LAUNCHER = ROOT / "tests" / "training"


class Begun(Callback):
    """Leaves a file when a step has been trained."""

    def __init__(self, file: str) -> None:
        self.file = file

    def on_train_batch_end(self, trainer, pl_module, *_):
        Path(self.file).touch()


def living(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(folder.name))
    return found


def wait_until(condition, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def training(synth_shards, tmp_path, monkeypatch):
    """A run with two workers in a session of its own, after its first step; and the folder of its runs."""
    monkeypatch.syspath_prepend(str(LAUNCHER))
    from runs_for_tests import words

    begun = tmp_path / "begun"
    command = words(
        "fit", synth_shards, tmp_path / "runs", "--trainer.max_steps=100000", "--run.validate_every=100000",
        "--data.workers=2", "--trainer.callbacks=null", "--trainer.callbacks+=test_worker_signals.Begun",
        f"--trainer.callbacks.file={begun}",
    )  # fmt: skip
    paths = os.pathsep.join(map(str, (ROOT, Path(__file__).parent, LAUNCHER)))
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "asva_lightning", *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
            cwd=ROOT,
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: begun.exists() or process.poll() is not None)
        assert begun.exists(), (tmp_path / "output").read_text()[-3000:]
        assert len(living(process.pid)) >= 3, "the run and its workers"
        yield process, tmp_path
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_run_whose_processes_are_all_asked_to_stop_saves_and_leaves_nobody(training):
    process, folder = training
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=240) == 75, (folder / "output").read_text()[-3000:]
    assert list((folder / "runs").glob("*/checkpoints/step_*.ckpt"))
    wait_until(lambda: not living(process.pid))


@pytest.mark.slow
def test_workers_do_not_outlive_a_run_that_was_killed(training):
    process, _ = training
    os.killpg(process.pid, signal.SIGTERM)
    process.kill()
    process.wait()
    wait_until(lambda: not living(process.pid))
    assert living(process.pid) == []


def hang(ready) -> None:
    leave_only_with_parent()
    ready.set()
    time.sleep(600)


def test_a_worker_that_hangs_leaves_when_its_parent_asks_and_no_sooner():
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    worker = fork.Process(target=hang, args=(ready,), daemon=True)
    worker.start()
    assert ready.wait(60)
    for name in ("TERM", "USR1"):
        subprocess.run(
            [sys.executable, "-c", f"import os, signal; os.kill({worker.pid}, signal.SIG{name})"], check=True
        )
    worker.join(1.5)
    assert worker.is_alive(), "a stranger asked"
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 0
