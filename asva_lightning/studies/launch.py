"""Starts processes one after the other or a few at a time, and passes a request to stop on to them."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from asva_lightning.runs.preemption import EXIT_PREEMPTED, SIGNALS, Preemption

PAUSE = 0.2
"""Seconds between looks at the processes."""


@dataclass(frozen=True)
class Job:
    """Some commands that follow each other as long as each ends well.

    Args:
        title: What it is called in messages.
        commands: The words of each.
        log: What they write is appended to this file.
        may_start: Asked before the start with the job and those that are going on; False waits until one has ended.
    """

    title: str
    commands: tuple[tuple[str, ...], ...]
    log: Path
    may_start: Callable[["Job", Sequence["Job"]], bool] = lambda job, others: True


class Watcher(Protocol):
    """Tells people what is going on."""

    def show(self, ended: int, running: Sequence[Job]) -> None:
        """Called many times a second with the number of jobs that have ended and with those that run."""

    def say(self, message: str) -> None:
        """Called with what has happened."""


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Args:
        code: Exit code of its last command; that of a signal is negative, as in :mod:`subprocess`.
        asked: Whether it had been asked to stop.
    """

    code: int
    asked: bool

    @property
    def stopped(self) -> bool:
        """Whether it left before its end because it was asked to, by us or by somebody else."""
        return self.code == EXIT_PREEMPTED or (self.asked and self.code < 0)

    @property
    def failed(self) -> bool:
        """Whether something went wrong."""
        return self.code != 0 and not self.stopped


def stop_signals() -> tuple[signal.Signals, ...]:
    """What asks for a stop: Ctrl-C, what SLURM sends, and a closed terminal, unless nohup keeps that away."""
    hang_up = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL else ()
    return (signal.SIGINT, *SIGNALS, *hang_up)


class Launcher:
    """Runs jobs, each in a process group of its own, so that Ctrl-C on the terminal reaches this process alone.

    A request to stop is passed on as SIGTERM, on which `fit` saves and leaves; nothing more is started then. A second
    Ctrl-C kills what is still running.

    Args:
        preemption: The flag that signals set; of :func:`stop_signals`.
        watcher: Is told what is going on.
        at_once: How many jobs run at the same time.
        environment: Environment of the processes; that of this one if not given.
    """

    def __init__(
        self,
        preemption: Preemption,
        watcher: Watcher,
        at_once: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.preemption = preemption
        self.watcher = watcher
        self.at_once = at_once
        self.environment = os.environ if environment is None else environment
        self.stopping = False
        self._running: list[_Running] = []

    def run(self, jobs: Sequence[Job]) -> dict[str, Ended]:
        """Run jobs until all have ended, or until those under way have after a request to stop.

        Args:
            jobs: What to run; each has another title.

        Returns:
            Title to how it ended, for those that were started.
        """
        waiting, ended = list(jobs), dict[str, Ended]()
        try:
            while self._running or (waiting and not self.stopping):
                self._heed()
                self._start(waiting)
                for running in list(self._running):
                    code = running.poll(self.stopping)
                    if code is not None:
                        self._running.remove(running)
                        ended[running.job.title] = Ended(code, self.stopping)
                        self.watcher.say(f"{running.job.title}: {_how(ended[running.job.title])}")
                self.watcher.show(len(ended), [running.job for running in self._running])
                time.sleep(PAUSE if self._running else 0)
        finally:
            for running in self._running:  # only if something is wrong here: nothing may be left behind unseen
                running.kill()
        return ended

    def _start(self, waiting: list[Job]) -> None:
        while waiting and not self.stopping and len(self._running) < self.at_once:
            others = [running.job for running in self._running]
            job = next((job for job in waiting if job.may_start(job, others)), None)
            if job is None:
                return
            waiting.remove(job)
            self.watcher.say(f"{job.title}: started, writes to {job.log}")
            self._running.append(_Running(job, self.environment))

    def _heed(self) -> None:
        received, self.preemption.received = self.preemption.received, None
        if received is None:
            return
        again, self.stopping = self.stopping, True
        if again and received == signal.SIGINT:
            self.watcher.say(f"Killing {len(self._running)} runs; they continue from their last checkpoints.")
            for running in self._running:
                running.kill()
        elif not again:
            self.watcher.say(f"Asked to stop: waiting for {len(self._running)} runs to save. Ctrl-C kills them.")
            for running in self._running:
                running.stop()


@dataclass
class _Running:
    """A job that is going on."""

    job: Job
    environment: Mapping[str, str]
    place: int = field(default=-1, init=False)
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self._next()

    def poll(self, stopping: bool) -> int | None:
        """Go on to the next command where one has ended well; the exit code once there is nothing more to do."""
        code = self.process.poll()
        if code == 0 and self.place + 1 < len(self.job.commands):
            if stopping:
                return EXIT_PREEMPTED
            self._next()
            return None
        return code

    def stop(self) -> None:
        """Ask the first process; ranks agree on it among themselves, and readers of data need no signal."""
        self.process.terminate()

    def kill(self) -> None:
        """End the whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _next(self) -> None:
        self.place += 1
        words = self.job.commands[self.place]
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        with self.job.log.open("ab") as log:
            started = datetime.now().astimezone().isoformat(timespec="seconds")
            log.write(f"# {started}: {shlex.join(words)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )


def _how(ended: Ended) -> str:
    """How a job ended, in a few words."""
    if ended.failed:
        return describe_code(ended.code)
    return "stopped" if ended.stopped else "ended"


def describe_code(code: int) -> str:
    """An exit code of :mod:`subprocess` in words."""
    return f"failed with code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
