"""Loaders: batches, workers, and the one number that is the state of the stream."""

import pytest
import torch
from shard_helpers import FORMAT, first, same, spoil, training_clips

import asva_lightning.data.clips as clips_module
from asva_lightning.data.clips import ClipReader, FixedClips, NoGoodClip
from asva_lightning.data.loader import FixedLoader, Reading, TrainingLoader, good_batch
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.order import FixedSampler
from asva_lightning.errors import TooManyBadClips


def loader(folder, batch_size=4, rank=0, world_size=1, workers=0):
    return TrainingLoader(training_clips(folder), batch_size, rank, world_size, Reading(workers))


def test_batches_follow_the_stream(shards):
    batches = first(loader(shards, 3), 3)
    clips = training_clips(shards)
    assert [batch.positions.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert [batch.consumed for batch in batches] == [3, 6, 9]
    assert len({key for batch in batches for key in batch.keys}) == 9
    for batch in batches:
        for place, position in enumerate(batch.positions.tolist()):
            assert torch.equal(batch.pixels[place], clips[position].pixels)
            assert batch.keys[place] == clips[position].key


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(shards, workers):
    alone = first(loader(shards), 4)
    together = first(loader(shards, workers=workers), 4)
    for one, other in zip(alone, together):
        assert same(one, other)
        assert (one.keys, one.consumed) == (other.keys, other.consumed)
        assert one.positions.tolist() == other.positions.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_state_is_one_number_that_fetching_does_not_move(shards, workers):
    stream = loader(shards, workers=workers)
    assert stream.state_dict() == {"consumed": 0}
    batches = first(stream, 3)
    assert stream.state_dict() == {"consumed": 0}
    stream.trained(batches[0])
    assert stream.state_dict() == {"consumed": 4}
    stream.trained(batches[1])
    assert stream.state_dict() == {"consumed": 8}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_stream_goes_on_with_the_next_batch(shards, workers):
    stream = loader(shards)
    batches = first(stream, 5)
    for done in range(5):
        stream.trained(batches[done])
        resumed = loader(shards, workers=workers)
        resumed.load_state_dict(stream.state_dict())
        for batch in batches[done + 1 : done + 2]:
            following = first(resumed, 1)[0]
            assert same(following, batch)
            assert following.positions.tolist() == batch.positions.tolist()
            assert following.consumed == batch.consumed


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_stream_resumes_on_another_number_of_ranks(shards, ranks):
    stream = loader(shards)
    batches = first(stream, 3)
    stream.trained(batches[1])
    shares = []
    for rank in range(ranks):
        resumed = loader(shards, 4 // ranks, rank, ranks)
        resumed.load_state_dict(stream.state_dict())
        shares.append(first(resumed, 1)[0])
    assert torch.equal(torch.cat([share.pixels for share in shares]), batches[2].pixels)
    assert torch.equal(torch.cat([share.waveform for share in shares]), batches[2].waveform)
    assert [key for share in shares for key in share.keys] == list(batches[2].keys)
    assert {share.consumed for share in shares} == {12}


@pytest.mark.parametrize("workers", [0, 2])
def test_only_bad_clips_are_an_error_that_names_one(copied_shards, workers):
    stream = loader(copied_shards, workers=workers)
    spoil(copied_shards, stream.clips.samples)
    with pytest.raises(TooManyBadClips) as caught:
        first(stream, 1)
    message = str(caught.value)
    assert message.startswith("10 clips in a row could not be read, the last one ")
    assert ".tar: cannot be read: Invalid data found" in message
    assert message.endswith("`python -m asva_lightning shards lint`, or build them again.")


@pytest.mark.parametrize("workers", [0, 1])
def test_what_was_bad_comes_with_the_batch(copied_shards, workers):
    stream = loader(copied_shards, 9, workers=workers)
    spoil(copied_shards, stream.clips.samples[5:6])
    batch = first(stream, 1)[0]
    assert {bad.key for bad in batch.bad} == {stream.clips.samples[5].key}
    assert stream.clips.samples[5].key not in batch.keys


def test_a_programming_error_stops_the_stream(shards, monkeypatch):
    def broken(*_):
        raise TypeError("a slip in the program")

    monkeypatch.setattr(clips_module, "read_clip", broken)
    with pytest.raises(TypeError, match="a slip in the program"):
        first(loader(shards), 1)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_fixed_list_is_read_once_by_all_ranks_together(shards, ranks, workers):
    clips = FixedClips(ClipReader(FORMAT), Dataset.open(shards).samples("test"))
    loaders = [FixedLoader(clips, FixedSampler(3, 2, rank, ranks), Reading(workers)) for rank in range(ranks)]
    batches = [list(mine) for mine in loaders]
    assert [len(mine) for mine in loaders] == [len(mine) for mine in batches] == [2 if ranks == 1 else 1] * ranks
    real = [
        (position, key)
        for mine in batches
        for batch in mine
        for position, key, counts in zip(batch.positions.tolist(), batch.keys, batch.real.tolist())
        if counts
    ]
    assert sorted(real) == [(number, sample.key) for number, sample in enumerate(clips.samples)]


def test_a_place_whose_clips_are_all_in_quarantine_is_an_error_that_says_so():
    with pytest.raises(
        TooManyBadClips, match=r"all that were tried for it are in quarantine. Shorten .*--data\.quarant"
    ):
        good_batch(NoGoodClip(()))
