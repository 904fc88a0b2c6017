"""Processes are started, watched, and asked to stop; with small programs in the place of runs."""

import os
import signal
import sys
import time

import pytest

from asva_lightning.runs.preemption import Preemption
from asva_lightning.studies.launch import Job, Launcher, stop_signals
from asva_lightning.studies.progress import ProgressLine, last_line

SAVES = """
import signal, sys, time
def leave(*_):
    print("saved", flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, leave)
print("begun", flush=True)
time.sleep(60)
"""
DEAF = SAVES.replace('print("saved", flush=True)', "print('busy', flush=True); return")


class Listening(ProgressLine):
    """Sends signals to this process when a log has reached a line."""

    def __init__(self, signals: dict[str, int]) -> None:
        super().__init__("method", 3)
        self.signals = signals
        self.said: list[str] = []

    def say(self, message):
        self.said.append(message)

    def show(self, ended, running):
        lines = {last_line(job.log) for job in running}
        if len(lines) == 1 and (number := self.signals.pop(lines.pop(), None)):
            os.kill(os.getpid(), number)


def launch(jobs, at_once=1, **signals):
    listening = Listening(signals)
    with Preemption(stop_signals()) as preemption:
        ended = Launcher(preemption, listening, at_once).run(jobs)
    return ended, listening.said


def job(folder, title, *programs):
    return Job(title, tuple((sys.executable, "-c", program) for program in programs), folder / "logs" / f"{title}.log")


def test_commands_follow_each_other_and_a_failure_does_not_stop_the_other_jobs(tmp_path):
    jobs = [job(tmp_path, "broken", "print('first'); raise SystemExit(3)", "print('never')"),
            job(tmp_path, "good", "print('one')", "import os; print('two', os.getpid() == os.getpgid(0))")]  # fmt: skip
    ended, said = launch(jobs)
    assert (ended["broken"].code, ended["broken"].failed) == (3, True)
    assert (ended["good"].code, ended["good"].failed) == (0, False)
    assert "never" not in jobs[0].log.read_text().splitlines()
    log = jobs[1].log.read_text().splitlines()
    assert [line for line in log if not line.startswith("#")] == ["one", "two True"], "a process group of its own"
    assert "broken: failed with code 3" in said
    assert "good: ended" in said


def test_as_many_run_at_the_same_time_as_asked(tmp_path):
    wait = "import pathlib, time\npathlib.Path(%r).touch()\nwhile not pathlib.Path(%r).exists(): time.sleep(0.05)"
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    ended, _ = launch([job(tmp_path, "a", wait % (one, two)), job(tmp_path, "b", wait % (two, one))], at_once=2)
    assert [how.code for how in ended.values()] == [0, 0], "each waits for the other"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_request_to_stop_is_passed_on_and_nothing_more_is_started(tmp_path, number):
    before = signal.getsignal(number)
    jobs = [job(tmp_path, "first", SAVES), job(tmp_path, "second", SAVES), job(tmp_path, "third", SAVES)]
    ended, said = launch(jobs, at_once=2, begun=number)
    assert {title: (how.code, how.stopped, how.failed) for title, how in ended.items()} == {
        "first": (75, True, False), "second": (75, True, False),
    }  # fmt: skip
    assert last_line(jobs[0].log) == "saved"
    assert not jobs[2].log.exists()
    assert any(line.startswith("Asked to stop: waiting for 2 runs") for line in said)
    assert signal.getsignal(number) == before, "the handler is given back"


def test_a_second_ctrl_c_kills_what_does_not_stop(tmp_path):
    ended, _ = launch([job(tmp_path, "deaf", DEAF)], begun=signal.SIGINT, busy=signal.SIGINT)
    assert ended["deaf"].code == -signal.SIGKILL
    assert ended["deaf"].stopped


def test_a_closed_terminal_asks_for_a_stop_unless_nohup_keeps_it_away():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert signal.SIGHUP in stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert signal.SIGHUP not in stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_progress_is_one_line_with_the_newest_of_each_log(tmp_path, caplog, monkeypatch, capsys):
    one, two = job(tmp_path, "one"), job(tmp_path, "two")
    one.log.parent.mkdir()
    one.log.write_bytes("# now: python\nold\nstep 1\rstep 2 of 8\n────\n\n".encode())
    two.log.write_text("# now: python\n")
    progress = ProgressLine("method", 5, seconds=60)
    progress.show(1, [one, two])
    assert not caplog.records, "not at once"
    later = time.monotonic() + 100
    monkeypatch.setattr(time, "monotonic", lambda: later)
    caplog.set_level("INFO")
    progress.show(1, [one, two])
    assert [record.message for record in caplog.records] == [
        "method, 1 of 5 ended | one: step 2 of 8 | two: starting"
    ]  # fmt: skip
    capsys.readouterr()  # another test may have begun to write messages to the terminal
    progress.terminal, progress._last = True, 0.0
    monkeypatch.setenv("COLUMNS", "42")
    progress.show(1, [one, two])
    assert capsys.readouterr().err == "\r\033[Kmethod, 1 of 5 ended | one: st | two: st", "no wider than the terminal"
