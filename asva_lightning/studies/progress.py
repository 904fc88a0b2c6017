"""One line on the terminal that says what a sweep is doing."""

import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from asva_lightning.studies.launch import Job

logger = logging.getLogger(__name__)

TAIL = 4096
"""Bytes at the end of a log that are looked at."""


def last_line(log: Path) -> str:
    """The last line of a log that says something; a bar that was drawn over itself counts as its last state.

    The command at the start of a log and lines that are only drawn are passed over.
    """
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    saying = [line for line in lines if any(map(str.isalnum, line)) and not line.startswith("# ")]
    return "".join(letter for letter in saying[-1] if letter.isprintable()) if saying else ""


class ProgressLine:
    """The last line of the log of each run that goes on: one line that is drawn anew on a terminal, else now and then.

    Args:
        name: Name of the sweep.
        total: How many runs there are to do.
        seconds: Time between lines where there is no terminal.
    """

    def __init__(self, name: str, total: int, seconds: float = 60.0) -> None:
        self.name = name
        self.total = total
        self.terminal = sys.stderr.isatty()
        self.seconds = 1.0 if self.terminal else seconds
        self._last = time.monotonic()

    def say(self, message: str) -> None:
        """What has happened gets a line that stays."""
        if self.terminal:
            sys.stderr.write("\r\033[K")
        logger.info("%s", message)

    def show(self, ended: int, running: Sequence[Job]) -> None:
        """Draw or write the line where it is time."""
        now = time.monotonic()
        if not running or now - self._last < self.seconds:
            return
        self._last = now
        head = f"{self.name}, {ended} of {self.total} ended"
        jobs = [f" | {job.title}: {last_line(job.log) or 'starting'}" for job in running]
        if self.terminal:
            # Cut to the width, as what wraps cannot be drawn over.
            each = (shutil.get_terminal_size().columns - 1 - len(head)) // len(jobs)
            sys.stderr.write(f"\r\033[K{head}{''.join(job[: max(0, each)] for job in jobs)}")
            sys.stderr.flush()
        else:
            logger.info("%s", head + "".join(jobs))
