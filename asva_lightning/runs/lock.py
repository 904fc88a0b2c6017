"""One process at a time in a run folder."""

import fcntl
import json
import logging
import os
import socket
from datetime import datetime
from pathlib import Path
from types import TracebackType

from asva_lightning.errors import RunError

logger = logging.getLogger(__name__)


class RunLock:
    """A lock on a run folder, held until released or until the process ends, however it ends.

    The operating system holds the lock, not the file: what a dead process left behind is no obstacle.

    Args:
        folder: The run folder; ``run.lock`` in it says who holds the lock.
    """

    NAME = "run.lock"
    """The file's name; nothing else lies in a folder that is held before its first start has written anything."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.NAME
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            RunError: If another process holds it; the message says who.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise RunError(
                f"{self.path.parent}: this run is already going on ({_describe(self.path.read_text())}). Wait until it "
                "ends or stop it; for a second run of the same configuration add --run.fresh=true."
            ) from error
        except OSError as error:
            logger.warning("%s: this file system cannot lock (%s). Start only one process here.", self.path, error)
        if os.fstat(handle).st_nlink == 0:  # the process that held it was refused, and has removed its folder
            os.close(handle)
            self.acquire()
            return
        os.truncate(handle, 0)
        os.write(handle, json.dumps(_who_am_i()).encode() + b"\n")
        self._handle = handle
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._handle is not None:
            os.truncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None
            _held.discard(self)

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_held: "set[RunLock]" = set()


def _let_go_in_child() -> None:
    """A forked child (a data worker) must not keep the lock alive after its parent has died."""
    for lock in _held:
        if lock._handle is not None:
            os.close(lock._handle)
            lock._handle = None


os.register_at_fork(after_in_child=_let_go_in_child)


def _who_am_i() -> dict[str, str | int | None]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "job": os.environ.get("SLURM_JOB_ID"),
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _describe(content: str) -> str:
    try:
        who = json.loads(content)
    except ValueError:
        return "by a process that has not written its name yet"
    job = f", SLURM job {who['job']}: scancel {who['job']}" if who["job"] else ""
    return f"on {who['host']}, process {who['process']}{job}, since {who['since']}"
