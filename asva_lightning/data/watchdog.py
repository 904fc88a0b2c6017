"""Sees to it that a loader which stands still says where: which worker, which shard, which clip, for how long."""

import ctypes
import multiprocessing
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

from torch.utils.data import DataLoader

from asva_lightning.data.worker_signals import leave_only_with_parent
from asva_lightning.errors import WorkFailed

_LONGEST = 1024
"""Bytes of the longest name that a worker leaves on the board."""


class _Line(ctypes.Structure):
    """What one worker is reading: since when (seconds of the clock that all processes share), and its name.

    A worker that reads nothing has no ``since``, and the name of what it read last.
    """

    _fields_ = (("process", ctypes.c_int64), ("since", ctypes.c_double), ("name", ctypes.c_char * _LONGEST))


class _Board:
    """Shared memory with a line for each worker."""

    def __init__(self, workers: int) -> None:
        self.lines: Any = multiprocessing.RawArray(_Line, workers)

    def of_process(self, process: int) -> str:
        """What a worker reads or has read, by the number of its process; empty if it is none of this board."""
        for number, line in enumerate(self.lines):
            if line.process == process:
                name = bytes(line.name).decode("utf-8", "replace")
                if line.since:
                    return f"worker {number} has been reading {name} for {time.monotonic() - line.since:.0f} s"
                return f"worker {number} was reading no clip" + f"; its last one was {name}" * bool(name)
        return ""

    def longest(self) -> tuple[int, str, float] | None:
        """The worker that has been reading the same clip for the longest time: its number, the clip, seconds."""
        now = time.monotonic()
        reading = [
            (now - line.since, number, bytes(line.name).decode("utf-8", "replace"))
            for number, line in enumerate(self.lines)
            if line.since
        ]
        if not reading:
            return None
        seconds, number, name = max(reading)
        return number, name, seconds


_boards: list[_Board] = []
"""Those of loaders that are being read."""

_left: deque[_Board] = deque(maxlen=4)
"""Those of loaders that were left last: an error that comes from a worker's death ends them before it is explained."""

_mine: Any = None
"""The line of this worker; none in a process that is no worker."""


def _begin_worker(lines: Any, worker: int) -> None:
    """Called in each worker as it begins."""
    global _mine  # a worker is a process of its own
    _mine = lines[worker]
    _mine.process = os.getpid()
    leave_only_with_parent()


def note_reading(name: str) -> None:
    """Leave on the board what this worker begins to read."""
    if _mine is not None:
        _mine.name = name.encode("utf-8", "replace")[: _LONGEST - 1]
        _mine.since = time.monotonic()


def note_done() -> None:
    """Leave on the board that this worker reads nothing at the moment."""
    if _mine is not None:
        _mine.since = 0.0


def watched(stall_seconds: float, workers: int, **options: Any) -> Iterator[Any]:
    """The batches of a torch loader, or an error that says which worker stands still or died.

    Without workers nothing watches: the process that would have to is the one that reads.

    Args:
        stall_seconds: How long to wait for a batch.
        workers: Processes that read.
        **options: Further options of the loader.

    Raises:
        WorkFailed: If no batch came in time, or a worker died.
    """
    if not workers:
        yield from DataLoader(**options)
        return
    board = _Board(workers)
    loader: DataLoader[Any] = DataLoader(
        num_workers=workers, timeout=stall_seconds, worker_init_fn=partial(_begin_worker, board.lines), **options
    )
    batches: Any = iter(loader)
    _boards.append(board)
    try:
        yield from batches
    except RuntimeError as error:
        explained = _explained(error, board, stall_seconds)
        # Else torch would tell of the same death again, whenever any child of this process ends.
        batches._shutdown_workers()
        raise explained from error
    finally:
        _boards.remove(board)
        _left.append(board)


def explained_death(error: RuntimeError) -> WorkFailed | None:
    """What torch says of a worker's death, in words that help; nothing if the error is another one.

    Torch raises it wherever the main process is at that moment, which is mostly in a step and not at its loader.
    """
    message = str(error).strip()
    if not message.startswith("DataLoader worker (pid"):
        return None
    # "(pid 12) is killed ..." or "(pid(s) 12, 34) exited ...": the numbers before the words.
    processes = [int(number) for number in re.findall(r"\d+", re.split(r"\) [ie]", message)[0])]
    told = [where for board in (*_boards, *_left) for number in processes if (where := board.of_process(number))]
    return WorkFailed(
        f"A worker that reads clips died ({message}); {told[0] if told else 'nobody knows which clip it was reading'}. "
        "The usual cause is too little memory: lower --data.workers. If it is always the same clip, add its shard and "
        "key to --data.quarantine."
    )


def _explained(error: RuntimeError, board: _Board, stall_seconds: float) -> Exception:
    """The error of a loader in words that help, or as it is where it has nothing to do with workers."""
    message = str(error)
    reading = board.longest()
    where = "no worker is reading a clip"
    if reading is not None:
        number, name, seconds = reading
        where = f"worker {number} has been reading {name} for {seconds:.0f} s"
    if message.startswith("DataLoader timed out"):
        return WorkFailed(
            f"No batch came for {stall_seconds:g} s: {where}. If the clip hangs, add its shard and key to "
            "--data.quarantine; if reading is only slow, raise --data.stall_seconds."
        )
    return explained_death(error) or error
