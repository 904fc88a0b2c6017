"""A request to stop is a flag that is read between steps."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

EXIT_PREEMPTED = 75
"""Exit code of a run that saved its state because it was asked to stop; the batch script requeues on it.

The number is ``EX_TEMPFAIL`` of sysexits.h: try again later.
"""

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""SLURM sends SIGUSR1 ahead of the time limit (``--signal``), and SIGTERM on preemption and on scancel."""


class Preemption:
    """Catches the signals that ask a process to stop, and only remembers them.

    A handler runs at a different point in every process, so it must not save or talk to other ranks: the training loop
    reads ``asked`` after a step, agrees on it with the other ranks, saves and stops. Install it before anything slow is
    imported, since an early signal would end the process. Handlers belong to the main thread.

    Args:
        signals: What asks for a stop.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = SIGNALS) -> None:
        self.signals = signals
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    @property
    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self.received is not None

    def install(self) -> "Preemption":
        """Take over the signals; a second call changes nothing."""
        for number in self.signals:
            if number not in self._before:
                self._before[number] = signal.signal(number, self._remember)
        return self

    def renew(self) -> None:
        """Take the signals over again from whoever took them since; they are given back as before."""
        for number in self._before:
            signal.signal(number, self._remember)

    def uninstall(self) -> None:
        """Give the signals back to who had them."""
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def __enter__(self) -> "Preemption":
        return self.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        # A plain assignment: taking a lock here could wait for the very thread that was interrupted.
        self.received = signal.Signals(number)
