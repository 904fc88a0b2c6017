"""Loaders that stand still: a worker that hangs, and one that dies."""

import multiprocessing
import os
import signal
import time

import pytest
from shard_helpers import first, training_clips

import asva_lightning.data.clips as clips_module
from asva_lightning.data import ClipDataModule
from asva_lightning.data.loader import Reading, TrainingLoader
from asva_lightning.data.watchdog import explained_death
from asva_lightning.errors import ConfigurationError, WorkFailed
from asva_lightning.media import ClipFormat


def loader(folder, workers=2, stall_seconds=5.0):
    return TrainingLoader(training_clips(folder), 3, reading=Reading(workers, stall_seconds=stall_seconds))


@pytest.fixture(autouse=True)
def torch_listens(monkeypatch):
    """Torch begins to listen for deaths of workers once a process, and a fit of Lightning before may have ended it."""
    monkeypatch.setattr("torch.utils.data._utils.signal_handling._SIGCHLD_handler_set", False)
    before = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def event():
    """What this process tells its workers, which are forked; without it they would have to guess how fast it is."""
    return multiprocessing.get_context("fork").Event()


@pytest.fixture
def at_the_fifth(monkeypatch, shards):
    """Let something happen when the clip at position 5 is read; returns how to set it, and the clip."""
    clips = training_clips(shards)
    victim = clips.samples[clips._index(5, 0)]
    read = clips_module.read_clip

    def arrange(deed):
        def reading(file, *rest):
            if victim.key in file.name:
                deed()
            return read(file, *rest)

        monkeypatch.setattr(clips_module, "read_clip", reading)
        return victim

    return arrange


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_hangs_is_named_with_shard_key_and_seconds(shards, at_the_fifth, workers, monkeypatch):
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 1.0)  # so long torch waits for its end
    victim = at_the_fifth(lambda: time.sleep(60))
    with pytest.raises(WorkFailed) as caught:
        first(loader(shards, workers, stall_seconds=8.0), 3)
    message = str(caught.value)
    assert message.startswith("No batch came for 8 s: worker ")
    assert f"has been reading {victim.key} in {victim.address} for " in message
    assert " s. If the clip hangs, add its shard and key to --data.quarantine" in message
    assert message.endswith("if reading is only slow, raise --data.stall_seconds.")


@pytest.mark.parametrize(
    "deed", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)], ids=["killed", "left"]
)
def test_the_death_of_a_worker_is_an_error_that_names_its_clip(shards, at_the_fifth, event, deed):
    # By then this process waits for the batch: torch tells of a death by an exception wherever the process then is.
    victim = at_the_fifth(lambda: (event.wait(60), time.sleep(1), deed()))
    batches = iter(loader(shards, workers=1, stall_seconds=60))
    next(batches)
    event.set()
    with pytest.raises(WorkFailed, match=r"A worker that reads clips died .*pid.*lower --data\.workers") as caught:
        next(batches)
    assert f"has been reading {victim.key} in {victim.address} for" in str(caught.value)


@pytest.mark.parametrize(
    "deed", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3)], ids=["killed", "left"]
)
def test_a_death_while_the_main_process_computes_names_the_clip_too(shards, at_the_fifth, event, deed):
    victim = at_the_fifth(lambda: (event.wait(60), deed()))
    batches = iter(loader(shards, workers=1, stall_seconds=60))
    next(batches)
    other = iter(loader(shards, workers=1, stall_seconds=60))  # as in a run that also validates
    end = time.monotonic() + 60
    with pytest.raises(RuntimeError, match="DataLoader worker") as caught:
        _compute_until(end, event)
    batches.close()  # as the trainer does before the error comes to the top
    del other
    told = explained_death(caught.value)
    assert isinstance(told, WorkFailed)
    assert f"worker 0 has been reading {victim.key} in {victim.address} for" in str(told)
    assert "lower --data.workers" in str(told)
    assert explained_death(RuntimeError("a slip in the program")) is None


def test_an_error_of_the_program_stays_what_it_is(shards, at_the_fifth):
    def slip():
        raise RuntimeError("a slip in the program")

    at_the_fifth(slip)
    with pytest.raises(RuntimeError, match="a slip in the program"):
        first(loader(shards, stall_seconds=60), 3)


def test_a_pause_of_the_consumer_is_no_stall(shards):
    batches = iter(loader(shards, workers=1, stall_seconds=5.0))
    next(batches)
    time.sleep(5.5)
    assert next(batches).positions.tolist() == [3, 4, 5]


def test_the_patience_is_set_in_the_recipe():
    module = ClipDataModule("anywhere", ClipFormat(), stall_seconds=7)
    assert module.reading.stall_seconds == 7
    with pytest.raises(ConfigurationError, match=r"--data\.stall_seconds must be at least 1, not 0"):
        ClipDataModule("anywhere", ClipFormat(), stall_seconds=0)


def _compute_until(end, event):
    event.set()
    while time.monotonic() < end:
        pass
