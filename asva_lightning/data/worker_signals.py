"""Workers that read clips go on when everybody is asked to stop, so that the run can end its step and save."""

import os
import signal
import threading


def leave_only_with_parent() -> None:
    """Make this worker pass over Ctrl-C, SIGTERM and SIGUSR1, unless its parent sends the SIGTERM or is gone.

    A terminal, a batch system or a container sends these signals to all processes of a run at once. The loader of torch
    ends the workers that do not leave by themselves with SIGTERM, which must go on to work: otherwise a worker that
    hangs would keep the run from ending. Python's handlers do not tell who sent a signal, and only run between two
    steps of the main thread; a thread that waits for the signal knows the sender, and acts while the main thread is in
    a decoder.

    Called in each worker as it begins, before it has other threads, which inherit what is blocked. Systems that cannot
    wait for signals (macOS) keep torch's behaviour.
    """
    for number in (signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if not hasattr(signal, "sigtimedwait"):
        return
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait, args=(parent,), name="signals", daemon=True).start()


def _wait(parent: int) -> None:
    while os.getppid() == parent:
        told = signal.sigtimedwait({signal.SIGTERM}, 1.0)
        if told is not None and told.si_pid == parent:
            break
    os._exit(0)  # as torch's own handler does: nobody reads what this worker would still give
