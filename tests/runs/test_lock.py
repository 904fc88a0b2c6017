"""One process at a time in a run folder."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asva_lightning.errors import RunError
from asva_lightning.runs.lock import RunLock

HOLDER = """
import os, sys, time
from pathlib import Path
from asva_lightning.runs.lock import RunLock
RunLock(Path(sys.argv[1])).acquire()
if os.fork() == 0:  # the child says so itself, when it has done what a child does first
    print(os.getpid(), flush=True)
time.sleep(240)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``tmp_path``, and has a forked child as data workers are."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "SLURM_JOB_ID": "4711"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True, env=environment
    )
    child = int(process.stdout.readline())
    yield process
    process.kill()
    process.wait()
    os.kill(child, signal.SIGKILL)


def test_a_second_process_is_told_who_is_there(holder, tmp_path):
    with pytest.raises(RunError) as caught:
        RunLock(tmp_path).acquire()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: this run is already going on (on {os.uname().nodename}, ")
    assert f"process {holder.pid}, SLURM job 4711: scancel 4711, since 20" in message
    assert message.endswith(
        "Wait until it ends or stop it; for a second run of the same configuration add --run.fresh=true."
    )


def test_a_dead_process_is_no_obstacle_even_if_its_children_live(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert str(holder.pid) in (tmp_path / "run.lock").read_text()
    with RunLock(tmp_path):
        assert f'"process": {os.getpid()}' in (tmp_path / "run.lock").read_text()


def test_the_lock_is_given_back(tmp_path):
    lock = RunLock(tmp_path / "new")
    with lock, pytest.raises(RunError, match=f"process {os.getpid()}"):
        RunLock(tmp_path / "new").acquire()
    lock.release()
    with RunLock(tmp_path / "new"):
        pass


def test_a_folder_that_is_removed_meanwhile_is_made_and_locked_again(tmp_path, monkeypatch):
    folder, flock = tmp_path / "refused", fcntl.flock

    def remove_first(*words):
        monkeypatch.setattr("fcntl.flock", flock)
        shutil.rmtree(folder)
        flock(*words)

    monkeypatch.setattr("fcntl.flock", remove_first)
    with RunLock(folder), pytest.raises(RunError, match=f"process {os.getpid()}"):
        RunLock(folder).acquire()


def test_a_child_of_a_child_does_not_take_the_lock_away(tmp_path):
    with RunLock(tmp_path):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.01)
        with pytest.raises(RunError):
            RunLock(tmp_path).acquire()


def test_a_holder_without_a_name_is_said_to_have_none(tmp_path):
    with RunLock(tmp_path):
        (tmp_path / "run.lock").write_text("")
        with pytest.raises(RunError, match="has not written its name yet"):
            RunLock(tmp_path).acquire()


def test_a_file_system_without_locks_is_announced(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with RunLock(tmp_path):
        assert "this file system cannot lock" in caplog.text
