"""The one parallel, resumable loop over items.

Everything that treats many files one by one uses it: building shards, encoding, curation, animating a folder,
evaluation. What it promises:

- Every finished item is appended to the journal at once, so a second start continues where the first stopped, however
  it was stopped.
- An ``AsvaError`` is a failure of that item: it is listed with its reason and the loop goes on. Any other exception is
  a mistake in the program and is raised at once.
- What failed is tried again at the next start, since a disk or a network may be well again.
- With several workers the first Ctrl-C lets the items under way finish and writes them down, the second stops them.
  Work in one process stops at once. Either way the ``KeyboardInterrupt`` says how far the work came.
- The same list may be split over machines (``part``); each writes its own journal, and all of them are read.
"""

import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from asva_lightning.errors import AsvaError, ConfigurationError, WorkFailed
from asva_lightning.files import append_line, read_json_lines

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a list of items.

    Args:
        title: What the work is called.
        results: The result of every item that is done, by key, in the order of the items.
        failures: Key and reason of every item that could not be done, in the order of the items.
    """

    title: str
    results: dict[str, Result]
    failures: list[tuple[str, str]]

    @property
    def exit_code(self) -> int:
        """0 if every item is done, else 1."""
        return 1 if self.failures else 0

    @property
    def summary(self) -> str:
        """One line of counts, and one for every failure."""
        lines = [f"{self.title}: {len(self.results)} done, {len(self.failures)} failed."]
        return "\n".join(lines + [f"  {key}: {reason}" for key, reason in self.failures])

    def check(self) -> None:
        """Refuse to go on with a part of the items.

        Raises:
            WorkFailed: If an item failed.
        """
        if self.failures:
            raise WorkFailed(f"{self.summary}\nRepair or remove these items, then start again: what is done is kept.")


def work(
    items: Sequence[Item],
    function: Callable[[Item], Result],
    *,
    key: Callable[[Item], str],
    title: str,
    journal: Path | None = None,
    workers: int = 1,
    part: tuple[int, int] = (1, 1),
    settings: Mapping[str, Any] | None = None,
    retry_failures: bool = True,
    report_every: float = 30.0,
) -> Outcome:
    """Apply a function to every item, in parallel, and remember what is done.

    Args:
        items: What to work on.
        function: Called once for an item; returns a dictionary that JSON can hold. With several workers it must be
            importable by name (no lambda), and so must the classes of the items.
        key: The name of an item, different for each, the same at every start.
        title: What the work is called in progress and messages.
        journal: File of finished items (JSON lines). Without it every start begins anew.
        workers: Number of processes; 0 or 1 works in this one.
        part: ``(i, n)``: take only every n-th item, beginning with the i-th (from 1).
        settings: What the results depend on besides the items. A journal that was written with other settings is
            refused.
        retry_failures: Whether items that failed at an earlier start are tried again.
        report_every: Seconds between lines of progress where there is no terminal to draw a bar on.

    Returns:
        Results and failures of this part, earlier starts included.

    Raises:
        ConfigurationError: If two items share a key, the part does not exist, or the journal has other settings, or
            results and no settings.
        WorkFailed: If a worker process died.
        KeyboardInterrupt: After Ctrl-C, once what is finished is written down; it tells what is done, and whether the
            same command continues.
    """
    named = _by_key(_take_part(items, part), key, title)
    book = _Journal(journal, part, settings)
    entries = book.read(retry_failures)
    todo = {name: item for name, item in named.items() if name not in entries}
    progress = _Progress(title, len(named), len(named) - len(todo), report_every)
    finished = _one_by_one(todo, function) if workers <= 1 else _Pool(workers, title).run(todo, function)
    try:
        for name, line in finished:
            entry = json.loads(line)
            book.append(name, entry)
            entries[name] = entry
            progress.step(failed="failure" in entry)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(progress.interrupted(kept=journal is not None)) from None
    finally:
        progress.close()
    return Outcome(
        title,
        results={name: entries[name]["result"] for name in named if "result" in entries[name]},
        failures=[(name, entries[name]["failure"]) for name in named if "failure" in entries[name]],
    )


def _take_part(items: Sequence[Item], part: tuple[int, int]) -> Sequence[Item]:
    number, parts = part
    if not 1 <= number <= parts:
        raise ConfigurationError(f"There is no part {number} of {parts}. Give a part from 1 to the number of parts.")
    return items[number - 1 :: parts]


def _by_key(items: Sequence[Item], key: Callable[[Item], str], title: str) -> dict[str, Item]:
    named: dict[str, Item] = {}
    for item in items:
        name = key(item)
        if name in named:
            raise ConfigurationError(f"{title}: two items are called {name!r}. Rename one, or remove it from the list.")
        named[name] = item
    return named


@dataclass(frozen=True)
class _Journal:
    """Files of finished items: one for the whole list, or one for each part of it."""

    path: Path | None
    part: tuple[int, int]
    settings: Mapping[str, Any] | None

    @property
    def own(self) -> Path | None:
        """The file that this process appends to; machines never share one."""
        if self.path is None or self.part[1] == 1:
            return self.path
        return self.path.with_name(f"{self.path.stem}.part-{self.part[0]}-of-{self.part[1]}{self.path.suffix}")

    def read(self, retry_failures: bool) -> dict[str, Result]:
        """What all files know, and a first line for the own file where it is new."""
        if self.path is None or self.own is None:
            return {}
        entries: dict[str, Result] = {}
        begun = False
        for file in self._files(self.path):
            settings, outcomes = _lines(file)
            for written in settings:
                self._compare(file, written)
            if outcomes and not settings and self.settings is not None:
                raise ConfigurationError(
                    f"{file} holds what was done, but not by which settings. Delete it to begin anew, or take another "
                    "folder."
                )
            for line in outcomes:
                if "result" in line or (not retry_failures and line["key"] not in entries):
                    entries[line["key"]] = line
            begun = begun or (file == self.own and bool(settings))
        # One that was made but never written to is as good as none, whoever continues it.
        if not begun and self.settings is not None:
            append_line(self.own, json.dumps({"settings": self.settings}))
        return entries

    def append(self, name: str, entry: Result) -> None:
        if self.own is not None:
            append_line(self.own, json.dumps({"key": name, **entry}))

    @staticmethod
    def _files(path: Path) -> list[Path]:
        pattern = re.compile(re.escape(path.stem) + r"(\.part-\d+-of-\d+)?" + re.escape(path.suffix))
        return sorted(file for file in path.parent.glob("*") if pattern.fullmatch(file.name))

    def _compare(self, file: Path, written: Mapping[str, Any]) -> None:
        asked = json.loads(json.dumps(self.settings or {}))
        names = sorted(name for name in asked.keys() | written.keys() if asked.get(name) != written.get(name))
        if names:
            changes = ", ".join(f"{name}: {written.get(name)!r}, now {asked.get(name)!r}" for name in names)
            raise ConfigurationError(
                f"{file} was begun with other settings ({changes}). Take the old settings to continue it, or another "
                "folder, or delete the file to begin anew."
            )


def _lines(file: Path) -> tuple[list[Result], list[Result]]:
    """The settings that a journal tells, and what became of items; a line that is neither counts as torn."""
    settings, outcomes = [], []
    for line in read_json_lines(file):
        if isinstance(line.get("settings"), dict):
            settings.append(line["settings"])
        elif isinstance(line.get("key"), str) and (
            isinstance(line.get("result"), dict) or isinstance(line.get("failure"), str)
        ):
            outcomes.append(line)
        else:
            logger.warning("%s: a line that tells of no item was left out: %s", file, json.dumps(line)[:80])
    return settings, outcomes


def _attempt(function: Callable[[Item], Result], item: Item) -> str:
    """Treat one item; what comes back is text, so that a result is the same whether it was read or just made."""
    try:
        return json.dumps({"result": function(item)})
    except AsvaError as error:
        return json.dumps({"failure": str(error)})


def _one_by_one(todo: Mapping[str, Item], function: Callable[[Item], Result]) -> Iterator[tuple[str, str]]:
    for name, item in todo.items():
        yield name, _attempt(function, item)


@dataclass
class _Pool:
    """Worker processes and the items they have in hand."""

    workers: int
    title: str
    running: dict["Future[str]", str] = field(default_factory=dict)

    def run(self, todo: Mapping[str, Item], function: Callable[[Item], Result]) -> Iterator[tuple[str, str]]:
        """Yield items as they finish, in any order."""
        others = multiprocessing.active_children()
        # Forked processes inherit the locks of torch's threads and hang; spawned ones begin clean.
        context = multiprocessing.get_context("spawn")
        threads = max(1, (os.cpu_count() or 1) // self.workers)
        executor = ProcessPoolExecutor(self.workers, context, initializer=_begin_worker, initargs=(threads,))
        try:
            yield from self._feed(executor, iter(todo.items()), function)
            executor.shutdown()
        except BrokenProcessPool as error:
            names = ", ".join(sorted(self.running.values()))
            raise WorkFailed(
                f"{self.title}: a worker process died, killed from outside, out of memory, or by a fault in a library, "
                f"while these were under way: {names}. Start again with one worker to find the item."
            ) from error
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
            for child in set(multiprocessing.active_children()) - set(others):
                child.terminate()

    def _feed(
        self, executor: ProcessPoolExecutor, waiting: Iterator[tuple[str, Item]], function: Callable[[Item], Result]
    ) -> Iterator[tuple[str, str]]:
        """Keep one item more than workers in the pool: nobody idles, and a stop has little to wait for."""
        interrupted = False
        while True:
            try:
                while not interrupted and len(self.running) <= self.workers:
                    following = next(waiting, None)
                    if following is None:
                        break
                    self.running[executor.submit(_attempt, function, following[1])] = following[0]
                if not self.running:
                    break
                finished = wait(self.running, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                logger.warning("%s: stopping after %d items under way.", self.title, len(self.running))
                continue
            # What is done is handed over first: an error ends the loop.
            for future in sorted(finished, key=lambda future: future.exception() is not None):
                line = future.result()
                yield self.running.pop(future), line
        if interrupted:
            raise KeyboardInterrupt


def _begin_worker(threads: int) -> None:
    """Prepare a worker process before it imports anything heavy."""
    # Ctrl-C reaches the whole process group; only the first process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    torch = sys.modules.get("torch")
    if torch is not None:  # the program that was started imports it, and with it the number of all processors
        torch.set_num_threads(min(threads, torch.get_num_threads()))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when the process that started it is gone, even if it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


class _Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, title: str, total: int, done: int, report_every: float) -> None:
        self.title, self.total, self.done, self.failed = title, total, done, 0
        self.report_every, self.reported = report_every, time.monotonic()
        self.bar = tqdm(desc=title, total=total, initial=done, disable=not sys.stderr.isatty(), file=sys.stderr)
        if done:
            logger.info("%s: %d of %d items were done before.", title, done, total)

    def step(self, failed: bool) -> None:
        self.done += 1
        self.failed += failed
        self.bar.update()
        if self.bar.disable and (self.done == self.total or time.monotonic() - self.reported >= self.report_every):
            self.reported = time.monotonic()
            logger.info("%s: %d of %d, %d failed", self.title, self.done, self.total, self.failed)

    def interrupted(self, kept: bool) -> str:
        """A summary of what is done."""
        following = "continues" if kept else "begins anew"
        return f"{self.title}: {self.done} of {self.total}, {self.failed} failed. The same command {following}."

    def close(self) -> None:
        self.bar.close()
