"""A request to stop is a flag."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asva_lightning.runs.preemption import EXIT_PREEMPTED, Preemption

TRAINING = """
import sys, time
from asva_lightning.runs.preemption import EXIT_PREEMPTED, Preemption
preemption = Preemption().install()
print("ready", flush=True)
for step in range(10_000):
    time.sleep(0.02)
    if preemption.asked:
        print("saved because of", preemption.received.name)
        sys.exit(EXIT_PREEMPTED)
"""


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_process_that_is_asked_ends_its_step_and_exits_with_the_agreed_code(number):
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=240)
    assert said == f"saved because of {number.name}\n"
    assert process.returncode == EXIT_PREEMPTED == 75


def test_the_signals_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)]
    with Preemption() as preemption:
        preemption.install()
        assert not preemption.asked
        os.kill(os.getpid(), signal.SIGUSR1)
        assert preemption.asked
        assert preemption.received == signal.SIGUSR1
    assert [signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)] == before


def test_the_first_ctrl_c_asks_and_the_second_ends(capfd):
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Preemption() as preemption:
            preemption.heed_interrupt()
            os.kill(os.getpid(), signal.SIGINT)
            assert preemption.received == signal.SIGINT
            assert preemption.exit_code == 130
            assert "Ctrl-C again stops at once" in capfd.readouterr().err
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Preemption() as preemption:
            preemption.heed_interrupt()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "a program in the background"
    finally:
        signal.signal(signal.SIGINT, outside)
