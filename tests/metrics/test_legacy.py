"""The original's defects, each against its description."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from judged_clips import FORMAT, SmallPictureNetwork, clips

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import read_sound
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.legacy import (
    FIDAt229,
    ReadBackAlignSync,
    ReadBackRelSync,
    ReadBackSound,
    ScrambledSound,
    read_back,
    scrambled,
)
from asva_lightning.metrics.resize import squash

RATE = 16_000


def write_stereo(path, left, right, rate=RATE, block=1000):
    """A lossless file whose decoded pieces have so many samples."""
    samples = (np.stack([left, right]) * 2**15).round().clip(-(2**15), 2**15 - 1).astype(np.int16)
    with av.open(path, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        for start in range(0, samples.shape[1], block):
            piece = np.ascontiguousarray(samples[:, start : start + block].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_pieces_are_reshaped_and_not_transposed():
    pieces = [torch.tensor([[1.0, -1], [2, -2], [3, -3], [4, -4]]), torch.tensor([[5.0, -5], [6, -6]])]
    assert scrambled(pieces).tolist() == [[1, -1, 2, -2, 5, -5], [3, -3, 4, -4, 6, -6]]


def test_stereo_is_heard_at_half_its_speed_piece_by_piece(tmp_path):
    time = np.arange(2 * RATE) / RATE
    left, right = 0.5 * np.sin(2 * np.pi * 440 * time), 0.25 * np.sin(2 * np.pi * 440 * time)
    write_stereo(tmp_path / "a.mkv", left, right)
    heard = ScrambledSound()(tmp_path / "a.mkv", start=0.5, seconds=1.0).numpy()
    assert heard.shape == (RATE,)
    for piece in range(1, 15):
        first = 8000 + piece * 1000
        expected = np.stack([left, right], axis=1)[first : first + 500].reshape(-1)
        # 17 pieces of 1000 samples begin in 0.5..1.5 s; the middle of them begins 500 samples in.
        ours = heard[piece * 1000 - 500 : piece * 1000 + 500]
        assert np.abs(ours - expected).max() < 1e-4, piece
    assert np.abs(heard - read_sound(tmp_path / "a.mkv", start=0.5, seconds=1.0).numpy()).mean() > 0.1


def test_mono_is_not_scrambled_and_what_is_missing_is_silent(tmp_path):
    sound = 0.3 * np.sin(np.arange(RATE) / 7)
    with av.open(tmp_path / "a.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound * 2**15).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    heard = ScrambledSound()(tmp_path / "a.wav", start=0.0, seconds=1.5).numpy()
    assert np.abs(heard[:RATE] - sound).max() < 1e-4
    assert not heard[RATE:].any()
    with pytest.raises(MediaError, match=r"a.wav: has no sound between 4.000 s and 5.000 s"):
        ScrambledSound()(tmp_path / "a.wav", start=4.0, seconds=1.0)


def test_fid_at_229():
    network, pixels = SmallPictureNetwork(), clips(1, seed=0)
    FIDAt229(network).features(pixels[0], FORMAT)
    assert torch.equal(network.shown[0], squash(pixels[:, :, 1:], 229)[0].transpose(0, 1))


class Loudness:
    higher_is_better = False

    def measure(self, clip, format):
        self.heard = clip.waveform
        return float(clip.waveform.square().mean())


def test_sound_read_back_has_passed_through_aac():
    """It has the same length and tune, and not the same samples."""
    sound = 0.5 * torch.sin(torch.arange(FORMAT.samples) / 9) + 0.1 * torch.randn(FORMAT.samples)
    inner = Loudness()
    measure = ReadBackSound(inner)
    clip = EvaluatedClip("a", clips(1, seed=0)[0], sound.clamp(-1, 1), "dog")
    value = measure.measure(clip, FORMAT)
    error = (inner.heard - clip.waveform)[1000:-1000]
    assert inner.heard.shape == clip.waveform.shape
    assert value == pytest.approx(float(clip.waveform.square().mean()), rel=0.1)
    assert 1e-5 < error.abs().mean() < 0.05, "coded, and at the same place"
    assert measure.higher_is_better is False


@pytest.mark.parametrize("measure", [ReadBackRelSync, ReadBackAlignSync])
def test_only_the_samples_sound_is_read_back_where_they_are_compared_with_the_truth(measure):
    sounds = 0.3 * torch.sin(torch.arange(FORMAT.samples) / torch.tensor([[9.0], [7.0]]))
    heard = measure.heard(None, sounds, RATE)
    assert torch.equal(heard, torch.stack([read_back(sound, RATE) for sound in sounds]))
    assert measure.values is measure.__bases__[0].values, "the truth hears what it always does"


def test_sound_at_another_rate_was_never_written_by_the_original():
    with pytest.raises(ConfigurationError, match="16000 samples a second; this clip has 8000"):
        read_back(torch.zeros(8000), 8000)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (FIDAt229, "229 px instead of 299"),
        (ScrambledSound, "stereo sound scrambled"),
        (ReadBackSound, "read back from AAC"),
        (ReadBackRelSync, "read back from AAC"),
        (ReadBackAlignSync, "read back from AAC"),
    ],
)
def test_each_says_what_a_report_must_print(made, words):
    assert words in made.legacy
