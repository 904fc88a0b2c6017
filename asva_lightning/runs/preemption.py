"""A request to stop is a flag that is read between steps."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

EXIT_PREEMPTED = 75
"""Exit code of a run that saved its state because it was asked to stop; the batch script requeues on it.

The number is ``EX_TEMPFAIL`` of sysexits.h: try again later.
"""

EXIT_INTERRUPTED = 130
"""Exit code of a run that saved its state because of Ctrl-C; as the shell has it, and nothing requeues on it."""

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
        self._says = True

    @property
    def exit_code(self) -> int:
        """With which code to leave where a stop was asked for."""
        return EXIT_INTERRUPTED if self.received == signal.SIGINT else EXIT_PREEMPTED

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

    def heed_interrupt(self, say: bool = True) -> None:
        """From now on the first Ctrl-C asks for a stop too; the second ends at once. Where it is ignored it stays so.

        Args:
            say: Whether the first one is answered on the terminal.
        """
        before = signal.getsignal(signal.SIGINT)
        if before is signal.SIG_IGN or before == self._interrupt:
            return
        self._says = say
        self._before.setdefault(signal.SIGINT, before)
        signal.signal(signal.SIGINT, self._interrupt)

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

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.received == signal.SIGINT:
            signal.default_int_handler(number, frame)
        self.received = signal.SIGINT
        if self._says:  # not by logging, whose lock the interrupted code may hold
            os.write(2, b"\nStopping when this step is done and saved. Ctrl-C again stops at once.\n")
