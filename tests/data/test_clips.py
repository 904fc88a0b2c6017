"""Clips by position: random crops, substitutes for bad clips, and fixed lists."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from shard_helpers import FORMAT, same, spoil, training_clips

import asva_lightning.data.clips as clips_module
from asva_lightning.data.clips import MAX_ATTEMPTS, ClipReader, FixedClips, NoGoodClip
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.order import sample_at, substitute_at
from asva_lightning.errors import MediaError
from asva_lightning.media import read_clip


def test_a_position_gives_the_same_bytes_in_any_process(shards):
    here = training_clips(shards)
    # One thread, as loaders give their workers: more of them do not survive a fork.
    with multiprocessing.get_context("fork").Pool(1, torch.set_num_threads, (1,)) as pool:
        there = pool.map(training_clips(shards).__getitem__, [7, 3, 100_000])
    for position, clip in zip([7, 3, 100_000], there):
        assert same(clip, here[position])
        assert (clip.key, clip.start, clip.position) == (here[position].key, here[position].start, position)


def test_a_clip_is_what_its_source_shows_at_its_start(shards, clip_folder):
    clips = training_clips(shards, flip=0.0)
    files = {
        f"{file.parent.name}/{file.stem.replace('.', '_')}": file for file in (clip_folder / "videos").rglob("*.mp4")
    }
    for position in range(9):
        clip = clips[position]
        assert same(clip, read_clip(files[clip.key], FORMAT, clip.start))
        assert clip.category == clip.key.split("/")[0]
        assert clip.text == clip.category.replace("_", " ")
        assert clip.real
        assert not clip.bad


def test_crops_vary_and_stay_inside(shards):
    clips = training_clips(shards)
    seconds = {sample.key: sample.seconds for sample in clips.samples}
    drawn = [clips[position] for position in range(45)]
    shares = [clip.start / (seconds[clip.key] - FORMAT.seconds) for clip in drawn]
    assert 0 <= min(shares) < 0.15
    assert 0.85 < max(shares) <= 1
    assert len(set(shares)) == 45
    assert np.std(shares) == pytest.approx(12**-0.5, abs=0.06)


def test_a_flip_mirrors_the_pixels_and_nothing_else(shards):
    plain, mirrored, half = (training_clips(shards, flip=share) for share in (0.0, 1.0, 0.5))
    flips = 0
    for position in range(24):
        clip = half[position]
        assert mirrored[position].pixels.equal(plain[position].pixels.flip(-1))
        assert mirrored[position].waveform.equal(plain[position].waveform)
        flips += same(clip, mirrored[position])
        assert same(clip, mirrored[position]) != same(clip, plain[position])
    assert 6 <= flips <= 18


def test_another_seed_crops_otherwise(shards):
    one, other = training_clips(shards, seed=0), training_clips(shards, seed=1)
    assert {one[position].start for position in range(9)}.isdisjoint(other[position].start for position in range(9))


def test_a_bad_clip_is_substituted_and_reported_and_no_other_clip_moves(shards, copied_shards):
    whole, damaged = training_clips(shards, seed=3), training_clips(copied_shards, seed=3)
    bad = damaged.samples[4]
    spoil(copied_shards, [bad])
    met = 0
    for position in range(27):
        clip, index = damaged[position], sample_at(3, position, (3, 3, 3))
        if index != 4:
            assert same(clip, whole[position])
            assert not clip.bad
            continue
        met += 1
        attempts = [substitute_at(3, position, attempt, 9) for attempt in range(1, MAX_ATTEMPTS)]
        tries = next(number for number, other in enumerate(attempts) if other != 4)
        assert clip.key == damaged.samples[attempts[tries]].key
        assert len(clip.bad) == 1 + tries
        assert (clip.bad[0].shard, clip.bad[0].key) == (bad.address, bad.key)
        assert "cannot be read" in clip.bad[0].reason
        assert clip.position == position
        assert same(clip, damaged[position])
    assert met == 3


def test_where_all_clips_are_bad_every_attempt_is_told(copied_shards):
    clips = training_clips(copied_shards)
    spoil(copied_shards, clips.samples)
    nothing = clips[0]
    assert isinstance(nothing, NoGoodClip)
    assert len(nothing.bad) == MAX_ATTEMPTS
    assert nothing.bad[0].key == clips.samples[sample_at(0, 0, (3, 3, 3))].key


def test_a_truncated_shard_spoils_only_what_it_lost(copied_shards, shards):
    clips = training_clips(copied_shards)
    lost = clips.samples[2]
    with (copied_shards / lost.shard).open("r+b") as file:
        file.truncate(lost.offset + lost.size - 1)
    with pytest.raises(MediaError, match=rf"{lost.shard}:{lost.key}\.mp4: the shard ends before this sample does"):
        clips.reader.read(lost, 0.0, 0)
    for sample in clips.samples[:2]:
        assert same(clips.reader.read(sample, 0.5, 0), clips.reader.read(replace(sample, folder=str(shards)), 0.5, 0))
    position = next(position for position in range(9) if sample_at(0, position, (3, 3, 3)) == 2)
    assert clips[position].bad[0].reason == "the shard ends before this sample does; it is truncated"


def test_a_shard_that_vanished_is_a_bad_clip(copied_shards):
    clips = training_clips(copied_shards)
    (copied_shards / clips.samples[0].shard).unlink()
    with pytest.raises(MediaError, match="the shard cannot be read .*No such file"):
        clips.reader.read(clips.samples[0], 0.0, 0)


def test_a_programming_error_is_not_taken_for_a_bad_clip(shards, monkeypatch):
    def broken(*_):
        raise TypeError("a slip in the program")

    monkeypatch.setattr(clips_module, "read_clip", broken)
    with pytest.raises(TypeError, match="a slip in the program"):
        training_clips(shards)[0]
    with pytest.raises(TypeError, match="a slip in the program"):
        fixed_clips(shards)[0]


def fixed_clips(folder, clips_per_sample=1):
    return FixedClips(ClipReader(FORMAT), Dataset.open(folder).samples("test"), clips_per_sample)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fixed_clips_are_spread_evenly(shards, count):
    clips = fixed_clips(shards, count)
    assert len(clips) == 3 * count
    for number in range(len(clips)):
        clip, sample = clips[number], clips.samples[number // count]
        starts = np.linspace(0, sample.seconds - FORMAT.seconds, count)
        assert (clip.key, clip.position, clip.real) == (sample.key, number, True)
        assert clip.start == pytest.approx(starts[number % count])
        assert same(clip, clips[number])


def test_a_repeat_shows_the_same_clip_and_does_not_count(shards):
    clips = fixed_clips(shards)
    repeat = clips[-1 - 2]
    assert same(repeat, clips[2])
    assert (repeat.position, repeat.real, clips[2].real) == (2, False, True)


def test_a_bad_fixed_clip_is_replaced_by_the_next_which_does_not_count(copied_shards):
    clips = fixed_clips(copied_shards)
    spoil(copied_shards, [clips.samples[2]])
    clip = clips[2]
    assert same(clip, clips[0])
    assert (clip.real, clip.position) == (False, 2)
    assert [bad.key for bad in clip.bad] == [clips.samples[2].key]
    spoil(copied_shards, clips.samples)
    assert isinstance(clips[0], NoGoodClip)


@pytest.mark.parametrize("count", [3, MAX_ATTEMPTS + 1])
def test_the_substitute_of_a_bad_video_is_the_next_video(copied_shards, count):
    clips = fixed_clips(copied_shards, count)
    spoil(copied_shards, clips.samples[:1])
    clip = clips[1]
    assert same(clip, clips[count + 1])
    assert [bad.key for bad in clip.bad] == [clips.samples[0].key]
