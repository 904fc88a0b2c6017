"""Fingerprints: the same recording is known again, and another one is not taken for it."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from clip_files import clicking_square
from scipy.signal import lfilter

from asva_lightning.data.duplicates import SOUND_ERRORS, Fingerprint, same_pictures, same_sounds
from asva_lightning.data.fingerprints import picture_hashes, sound_prints
from asva_lightning.data.lint import Placed, _fingerprint, inspect
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.media import crop_and_resize, write_clip

RATE, FPS, SECONDS = 16_000, 10, 4


def scene(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A square that moves before clouds, and bursts of noise; ``(3, 40, 96, 128)`` and ``(64000,)``."""
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.uniform(0, 255, (1, 3, 6, 8))).float()
    still = torch.nn.functional.interpolate(coarse, size=(96, 128), mode="bicubic")[0].clamp(0, 255)
    pixels = still.to(torch.uint8)[:, None].repeat(1, SECONDS * FPS, 1, 1)
    for frame in range(SECONDS * FPS):
        left = int(50 + 40 * np.sin(frame / 3 + seed))
        pixels[:, frame, 30:60, left : left + 25] = torch.tensor([250, 250, 20], dtype=torch.uint8)[:, None, None]
    sound = np.zeros(SECONDS * RATE)
    for begin in np.sort(random.integers(0, len(sound) - 4000, 14)):
        burst = lfilter([1], [1, -random.uniform(-0.9, 0.9), random.uniform(0, 0.8)], random.normal(size=4000))
        sound[begin : begin + 4000] += burst / np.abs(burst).max() * np.exp(-np.arange(4000) / 1200)
    return pixels, torch.from_numpy(sound / np.abs(sound).max() * 0.7).float()


def fingerprint(tmp_path, pixels, waveform, quality=20) -> Fingerprint:
    """By way of a file, as lint takes it."""
    file = tmp_path / "dog-0.tar"
    write_clip(tmp_path / "clip.mp4", pixels, FPS, waveform, RATE, quality=quality)
    content = (tmp_path / "clip.mp4").read_bytes()
    file.write_bytes(content)
    sample = SampleRecord("dog/1", file.name, "mp4", 0, len(content), "dog", "dog", 1.0, FPS, folder=str(tmp_path))
    return _fingerprint(inspect(Placed("train", sample)))


def cropped(pixels, share):
    height, width = (round(size * share) for size in pixels.shape[2:])
    return pixels[:, :, height : pixels.shape[2] - height, width : pixels.shape[3] - width]


def resized(pixels, height, width):
    return torch.stack([crop_and_resize(frame, height, width) for frame in pixels.unbind(1)], dim=1)


CHANGES = {
    "encoded badly": lambda pixels, sound: (pixels, sound, 38),
    "half as large": lambda pixels, sound: (resized(pixels, 48, 64), sound, 24),
    "another shape": lambda pixels, sound: (resized(pixels, 96, 96), sound, 24),
    "cropped": lambda pixels, sound: (cropped(pixels, 0.03), sound, 20),
    "cut elsewhere": lambda pixels, sound: (pixels[:, 7:33], sound[7 * RATE // FPS + 100 : 33 * RATE // FPS + 100], 20),
    "darker and quieter": lambda pixels, sound: ((pixels * 0.8).to(torch.uint8), sound * 0.3, 20),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_known_again(tmp_path, change):
    pixels, sound = scene(1)
    *copy, quality = CHANGES[change](pixels, sound)
    given = (pixels, sound), (*copy, quality), scene(2)
    clips = [fingerprint(tmp_path, *clip) for clip in given]
    assert list(same_sounds(clips)) == [(0, 1)]
    assert list(same_pictures(clips)) == [(0, 1)] or change == "another shape"  # that is a large crop
    assert same_sounds(clips)[0, 1] < SOUND_ERRORS / 2


def test_other_clips_are_not_taken_for_copies():
    clips = []
    for seed in range(24):
        pixels, sound = scene(seed)
        clips.append(Fingerprint(picture_hashes(resized(pixels[:, ::5], 32, 32)), sound_prints(sound, RATE)))
    assert same_sounds(clips) == {}
    assert same_pictures(clips) == {}


def test_one_of_two_may_be_the_same():
    (pixels, sound), (others, another) = scene(1), scene(2)
    hashes = [picture_hashes(resized(frames[:, ::5], 32, 32)) for frames in (pixels, others)]
    prints = [sound_prints(waveform, RATE) for waveform in (sound, another)]
    clips = [Fingerprint(hashes[0], prints[0]), Fingerprint(hashes[0], prints[1]), Fingerprint(hashes[1], prints[0])]
    assert same_pictures(clips) == {(0, 1): 0.0}
    assert same_sounds(clips) == {(0, 2): 0.0}


def test_silence_and_blank_pictures_are_like_nothing():
    silence = sound_prints(torch.zeros(4 * RATE), RATE)
    assert (silence == -1).all()
    assert len(picture_hashes(torch.full((3, 5, 32, 32), 90, dtype=torch.uint8))) == 0
    assert len(sound_prints(torch.ones(100), RATE)) == 0
    nothing = Fingerprint(picture_hashes(torch.zeros(3, 2, 32, 32, dtype=torch.uint8)), silence)
    assert same_sounds([nothing, nothing]) == {}
    assert same_pictures([nothing, nothing]) == {}
    assert same_sounds([]) == same_pictures([]) == {}


def test_many_clips_are_compared_block_by_block(monkeypatch):
    """The result does not depend on how the work is cut up."""
    clips = []
    for seed in range(6):
        pixels, _ = clicking_square(seed, seconds=2.0 + seed / 2)
        clips.append(Fingerprint(picture_hashes(resized(pixels[:, ::6], 32, 32)), np.zeros(0, np.int64)))
    clips.insert(3, replace(clips[1], hashes=clips[1].hashes[:0]))
    whole = same_pictures(clips, bits=63)
    monkeypatch.setattr("asva_lightning.data.duplicates._BLOCK", 5)
    assert same_pictures(clips, bits=63) == whole
    assert len(whole) == 15


def test_memory_grows_no_faster_than_the_number_of_pictures(monkeypatch):
    monkeypatch.setattr("asva_lightning.data.duplicates._BLOCK", 512)
    random = np.random.default_rng(0)
    clips = [Fingerprint(random.random((16, 63)) < 0.5, np.zeros(0, np.int64)) for _ in range(500)]
    tracemalloc.start()
    try:
        assert same_pictures(clips) == {}
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 512 * 8000 * 4, "less than one block of rows by all columns"
