"""Encoding one sample: what is kept of its sound."""

import av
import numpy as np
import torch
from safetensors.torch import load_file

from asva_lightning.data.manifest import SampleRecord
from asva_lightning.media import ClipFormat, read_sound
from asva_lightning.training import encode_clip
from asva_lightning.training.encode_clip import MARGIN, EncodeClip, EncodeItem, whole_sound

RATE = 16_000


def write_pieces(path, *begins):
    """A file of one second of sound at each of some times (seconds)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE)
        stream.layout = "mono"
        for begin in begins:
            tone = (8000 * np.sin(np.arange(RATE) / 9)).astype(np.int16)[None]
            piece = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            piece.sample_rate, piece.pts = RATE, begin * RATE
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def test_a_damaged_time_stamp_claims_no_memory(tmp_path, monkeypatch):
    """Of sound that lasts for ten minutes by its time stamps, and a picture that does."""
    damaged = write_pieces(tmp_path / "damaged.mkv", 0, 1, 600)
    monkeypatch.setattr(encode_clip, "frame_times", lambda media: [0.0, 700.0])
    monkeypatch.setattr(EncodeClip, "_latents", lambda self, media, times, mirrored: torch.zeros(1, 1, 1, 1, 1, 1))
    size = damaged.stat().st_size
    sample = SampleRecord("dog/1", damaged.name, "mkv", 0, size, "dog", "dog", 2.0, 12.0, folder=str(tmp_path))
    encode = EncodeClip("{}", ClipFormat(), tmp_path / "clips", "cpu", "float32", "float32")
    encode(EncodeItem("test", sample))
    sound = load_file(tmp_path / "clips" / "dog" / "1.safetensors")["waveform"]
    assert len(sound) == round((2 + MARGIN) * RATE)
    assert torch.equal(sound[: 2 * RATE], whole_sound(write_pieces(tmp_path / "whole.mkv", 0, 1), 2.0, RATE))


def test_sound_that_is_a_little_longer_than_the_manifest_says_is_kept_whole(tmp_path):
    path = write_pieces(tmp_path / "clip.mkv", 0, 1, 2)
    assert torch.equal(whole_sound(path, 1.5, RATE), read_sound(path, RATE))
