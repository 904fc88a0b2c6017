"""The command `sweep`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from asva_lightning.data.build import is_built
from asva_lightning.errors import ConfigurationError
from asva_lightning.runs.preemption import EXIT_PREEMPTED, Preemption
from asva_lightning.studies.launch import Ended, Job, Launcher, describe_code, stop_signals
from asva_lightning.studies.progress import ProgressLine, last_line
from asva_lightning.studies.rows import Row, rows_of
from asva_lightning.studies.state import state_of
from asva_lightning.studies.sweep_file import Sweep, read_sweep
from asva_lightning.studies.table import Table
from asva_lightning.training.experiment import FOLDER_VARIABLE


def sweep(file: str, dry: bool = False, only: list[str] | str | None = None, jobs: int = 1) -> int:
    """Run every difference with every seed on this machine, and make a table of their scores.

    What is done is not done again, and what was stopped continues: start the same command again. The table is printed,
    and written to ``table.md`` and ``table.json`` in the folder ``<run.root>/<name of the file>``.

    Args:
        file: The sweep; docs/sweeps.md says what is in it.
        dry: Only print the table, as it is now.
        only: Run the rows of this difference only, or of a list of them.
        jobs: How many rows to run at the same time. They share the devices of this machine.

    Returns:
        The exit code: 0 if the rows are done, 75 if they are not, as somebody asked for a stop, 1 if one failed.

    Raises:
        ConfigurationError: If the file, or a row of it, cannot work. Nothing has run then.
    """
    if jobs < 1:
        raise ConfigurationError(f"--jobs must be at least 1, not {jobs}.")
    described = read_sweep(Path(file))
    chosen = _chosen(described, [only] if isinstance(only, str) else only)
    rows = rows_of(described)
    results = rows[0].root / described.name
    table = Table.of(described, rows)
    todo = [line.row for line in table.lines if line.row.difference in chosen and not line.state.done]
    if dry or not todo:
        sys.stdout.write(f"{table}\n")
        if not dry:
            table.write(results)
        return 0
    sys.stdout.write(f"{table.starts()}\n\n")
    sys.stdout.flush()
    ended = _run(jobs_of(todo, described.test, results), described.name, jobs)
    reasons = {row: failure_of(row, described.test, ended.get(row.title), results) for row in todo}
    failures = {row: reason for row, reason in reasons.items() if reason is not None}
    table = Table.of(described, rows, failures)
    table.write(results)
    sys.stdout.write(f"\n{table}\n\nwritten to {results / 'table.md'}\n")
    if failures:
        return 1
    return 0 if all(line.state.done for line in table.lines if line.row in todo) else EXIT_PREEMPTED


def commands_of(row: Row, test: bool) -> tuple[tuple[str, ...], ...]:
    """What is left to do for a row, as commands that follow each other."""
    state = state_of(row, test)
    left = ([] if state.trained else ["fit"]) + (["test"] if test and not state.done else [])
    return tuple((sys.executable, "-m", "asva_lightning", command, *row.words) for command in left)


def _chosen(described: Sweep, only: list[str] | None) -> set[str]:
    names = [difference.name for difference in described.differences]
    for name in only or ():
        if name not in names:
            raise ConfigurationError(f"--only: {described.name} has no row {name!r}. It has: {'; '.join(names)}.")
    return set(only or names)


def jobs_of(todo: Sequence[Row], test: bool, results: Path) -> list[Job]:
    """What is left to do for some rows, as jobs.

    Args:
        todo: The rows.
        test: Whether each is to be tested too.
        results: The folder of the sweep, where logs go.

    Returns:
        A job for each row. Of rows that would generate the same shards only one starts until they are there.
    """
    generates = {row.title: row.generates for row in todo}

    def may_start(job: Job, others: Sequence[Job]) -> bool:
        shards = generates[job.title]
        return shards is None or is_built(shards) or all(generates[other.title] != shards for other in others)

    return [Job(row.title, commands_of(row, test), _log(row, results), may_start) for row in todo]


def _run(jobs: Sequence[Job], name: str, at_once: int) -> dict[str, Ended]:
    # A sweep may be started from within a run; each row chooses its folder itself.
    environment = {key: value for key, value in os.environ.items() if key != FOLDER_VARIABLE}
    environment["PYTHONUNBUFFERED"] = "1"
    if at_once > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    with Preemption(stop_signals()) as preemption:
        return Launcher(preemption, ProgressLine(name, len(jobs)), at_once, environment).run(jobs)


def _log(row: Row, results: Path) -> Path:
    return results / "logs" / f"{row.folder.path.name}.log"


def failure_of(row: Row, test: bool, how: Ended | None, results: Path) -> str | None:
    """Why a row failed at this start.

    Args:
        row: The row.
        test: Whether it was to be tested too.
        how: How it ended; None if it was not started.
        results: The folder of the sweep, where logs are.

    Returns:
        The reason; None if it is done, or was stopped.
    """
    if how is None or how.stopped:
        return None
    log = _log(row, results)
    if how.failed:
        return f"{describe_code(how.code)}, see {log}: {last_line(log)}"
    state = state_of(row, test)
    return None if state.done else f"ended well, but {state} of {row.max_steps}, see {log}"
