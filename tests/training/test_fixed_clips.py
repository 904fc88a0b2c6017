"""The clips that callbacks animate: the same on every rank, whatever a single rank can read."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
import torch

from asva_lightning.data.batch import BadClip, ClipSample
from asva_lightning.data.clips import NoGoodClip
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.diffusion import share
from asva_lightning.training.callbacks import sampling

CLIPS = 5


class Clips(list):
    samples = [SimpleNamespace(key=f"clip{place}") for place in range(CLIPS)]
    clips_per_sample = 1


class Data(ClipDataModule):
    """Clips of which some cannot be read here: a neighbour stands in the place of each."""

    def __init__(self, unread):
        self.unread = unread

    def fixed_clips(self, stage):
        clips = Clips()
        for place in range(CLIPS):
            bad = (BadClip("a.tar", f"clip{place}", "the shard cannot be read"),) if place in self.unread else ()
            pixels, waveform = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(4)
            clip = ClipSample(pixels, waveform, "", "", f"clip{place}", place, 0.0, not bad, bad)
            clips.append(NoGoodClip(bad) if place == CLIPS - 1 and bad else clip)
        return clips


@pytest.fixture
def choose(monkeypatch):
    """Choose on several ranks, one thread each; a rank that does not gather would keep the others waiting."""

    def chosen(*unread):
        barrier, told = Barrier(len(unread), timeout=60), {}

        def gather(trainer, values):
            told.update(values)
            barrier.wait()
            return [told[place] for place in sorted(told)]

        monkeypatch.setattr(sampling, "gather", gather)
        trainers = [
            SimpleNamespace(datamodule=Data(of_rank), global_rank=rank, world_size=len(unread))
            for rank, of_rank in enumerate(unread)
        ]
        with ThreadPoolExecutor(len(unread)) as ranks:
            return list(ranks.map(lambda trainer: sampling.fixed_clips(trainer, "validate", None), trainers))

    return chosen


def keys(chosen):
    return [clip.key for clip in chosen.clips]


def test_a_clip_that_one_rank_cannot_read_is_taken_by_none(choose):
    one, two = choose(set(), {1, 4})
    assert keys(one) == keys(two) == ["clip0", "clip2", "clip3"]
    assert [len(share(len(of_rank.clips), rank, 2)) for rank, of_rank in enumerate((one, two))] == [2, 2]
    reason = "the shard cannot be read (on rank 1)"
    assert one.excluded == two.excluded == {"clip1_clip-00": reason, "clip4_clip-00": reason}


def test_what_every_rank_met_is_told_once_and_of_no_rank(choose):
    one, two = choose({2, 3}, {2})
    assert keys(one) == keys(two) == ["clip0", "clip1", "clip4"]
    assert one.excluded == two.excluded
    assert one.excluded["clip2_clip-00"] == "the shard cannot be read"
    assert one.excluded["clip3_clip-00"] == "the shard cannot be read (on rank 0)"


def test_one_rank_has_no_one_to_agree_with(choose):
    [alone] = choose({0})
    assert keys(alone) == ["clip1", "clip2", "clip3", "clip4"]
    assert alone.excluded == {"clip0_clip-00": "the shard cannot be read"}
