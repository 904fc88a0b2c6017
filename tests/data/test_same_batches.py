"""Promise 4: the same global batches whatever the ranks and workers, bad clips and quarantine included."""

import pytest
import torch
from shard_helpers import FORMAT, first, same, spoil, training_clips

from asva_lightning.data.clips import ClipReader, FixedClips, TrainingClips
from asva_lightning.data.loader import FixedLoader, Reading, TrainingLoader
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.order import FixedSampler

STEPS, TOTAL = 5, 4


@pytest.fixture
def spoiled(copied_shards):
    """Two of nine training clips, and one of three test clips, are garbage."""
    samples = Dataset.open(copied_shards).samples("train")
    spoil(copied_shards, [samples[2], samples[7], Dataset.open(copied_shards).samples("test")[1]])
    return copied_shards


def global_steps(folder, ranks, workers, consumed=0, steps=STEPS):
    """What all ranks together meet in each step: by position, the key, start, sums of media, and bad clips."""
    met = [{} for _ in range(steps)]
    for rank in range(ranks):
        loader = TrainingLoader(training_clips(folder), TOTAL // ranks, rank, ranks, Reading(workers))
        loader.load_state_dict({"consumed": consumed})
        for step, batch in enumerate(first(loader, steps)):
            assert batch.consumed == consumed + (step + 1) * TOTAL
            met[step] |= {
                position: (key, start, int(pixels.sum()), float(waveform.sum()))
                for position, key, start, pixels, waveform in zip(
                    batch.positions.tolist(), batch.keys, batch.starts.tolist(), batch.pixels, batch.waveform
                )
            }
            met[step].setdefault("bad", set()).update(batch.bad)
    return met


@pytest.fixture
def alone(spoiled):
    steps = global_steps(spoiled, 1, 0)
    assert len(set().union(*(step["bad"] for step in steps))) == 2, "both bad clips must be met"
    return steps


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_step_meets_the_same_clips(spoiled, alone, ranks, workers):
    assert global_steps(spoiled, ranks, workers) == alone


@pytest.mark.parametrize(("ranks", "workers"), [(1, 2), (2, 0), (4, 1)])
@pytest.mark.parametrize("done", [1, 3])
def test_a_run_goes_on_with_other_ranks_and_workers(spoiled, alone, ranks, workers, done):
    assert global_steps(spoiled, ranks, workers, consumed=done * TOTAL, steps=STEPS - done) == alone[done:]


def test_what_was_consumed_is_not_decoded_again(shards, monkeypatch):
    read = []
    monkeypatch.setattr(ClipReader, "read", lambda self, sample, start, position, flip=False: read.append(position))
    loader = TrainingLoader(training_clips(shards), 4)
    loader.load_state_dict({"consumed": 10_000})
    with pytest.raises(TypeError):  # the stand-in returns no clip
        first(loader, 1)
    assert read == [10_000]


def test_more_epochs_than_a_lifetime_resume_at_once(shards):
    loader = TrainingLoader(training_clips(shards), 4)
    loader.load_state_dict({"consumed": 10**12})
    batch = first(loader, 1)[0]
    assert batch.positions.tolist() == list(range(10**12, 10**12 + 4))
    assert same(batch, first(loader, 1)[0])


@pytest.mark.parametrize("clips_per_sample", [1, 3])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_validation_meets_every_good_clip_once_over_all_ranks(spoiled, ranks, workers, clips_per_sample):
    clips = FixedClips(ClipReader(FORMAT), Dataset.open(spoiled).samples("test"), clips_per_sample)
    counted, lengths, bad = [], set(), set()
    for rank in range(ranks):
        loader = FixedLoader(clips, FixedSampler(len(clips), 2, rank, ranks), Reading(workers))
        batches = list(loader)
        lengths.add((len(loader), tuple(len(batch) for batch in batches)))
        for batch in batches:
            bad |= {entry.key for entry in batch.bad}
            counted += [
                (key, round(start, 3))
                for key, start, real in zip(batch.keys, batch.starts.tolist(), batch.real.tolist())
                if real
            ]
    assert len(lengths) == 1, "a rank that makes fewer passes would make the others wait for ever"
    good = [sample for sample in clips.samples if sample.key not in bad]
    assert [sample.key for sample in clips.samples if sample.key in bad] == [clips.samples[1].key]
    assert len(counted) == len(set(counted)) == len(good) * clips_per_sample
    assert {key for key, _ in counted} == {sample.key for sample in good}


def test_streams_differ_where_seeds_differ(shards):
    one, other = (TrainingClips(ClipReader(FORMAT), Dataset.open(shards).samples("train"), seed) for seed in (0, 1))
    assert not torch.equal(first(TrainingLoader(one, 4), 1)[0].pixels, first(TrainingLoader(other, 4), 1)[0].pixels)
