"""Writing an mp4 piece by piece."""

import shutil

import numpy as np
import pytest
import torch

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipFormat, ClipWriter, probe, read_clip, read_sound, write_clip

RATE = 16_000


def flashes_and_clicks(seconds, fps, times):
    """A picture that is white, and a sound that clicks, at these times."""
    pixels = torch.zeros(3, seconds * fps, 32, 32, dtype=torch.uint8)
    waveform = torch.zeros(seconds * RATE)
    for time in times:
        pixels[:, round(time * fps)] = 255
        waveform[round(time * RATE) : round(time * RATE) + 40] = 0.9
    return pixels, waveform


def test_pieces_of_any_length_join_to_the_whole(tmp_path):
    pixels, waveform = flashes_and_clicks(20, 10, [1.0, 4.5, 9.1, 13.3, 18.8])
    cuts = [0, 3, 40, 41, 90, 150, 151, 200]
    with ClipWriter(tmp_path / "pieces.mp4", 10, 32, 32, RATE) as writer:
        for begin, end in zip(cuts, cuts[1:]):
            sound = slice(begin * RATE // 10, end * RATE // 10)
            writer.write(pixels[:, begin:end], waveform[sound])
    write_clip(tmp_path / "whole.mp4", pixels, 10, waveform, RATE)
    format = ClipFormat(200, 10, 32, 32)
    pieces, whole = (read_clip(tmp_path / f"{name}.mp4", format) for name in ("pieces", "whole"))
    assert (pieces.pixels.int() - whole.pixels.int()).abs().max() <= 3
    assert (pieces.waveform - whole.waveform).abs().max() < 0.02
    seen = (pieces.pixels.float().mean(dim=(0, 2, 3)) > 128).nonzero().flatten() / 10
    peaks = [int(part.abs().argmax()) for part in pieces.waveform.split(RATE)]
    heard = [second + peak / RATE for second, peak in enumerate(peaks) if pieces.waveform[second * RATE + peak] > 0.3]
    assert seen.tolist() == pytest.approx([1.0, 4.5, 9.1, 13.3, 18.8])
    assert heard == pytest.approx(seen.tolist(), abs=0.01)


def test_sound_is_resampled_without_joints(tmp_path):
    time = torch.arange(3 * RATE) / RATE
    tone = 0.5 * torch.sin(2 * torch.pi * 440 * time)
    with ClipWriter(tmp_path / "tone.mp4", 5, 32, 32, RATE) as writer:
        for part in tone.split(1_777):
            writer.write(torch.zeros(3, 1, 32, 32, dtype=torch.uint8), part)
    heard = read_sound(tmp_path / "tone.mp4", RATE)
    steps = (heard[2 * 800 : 2 * RATE] - tone[2 * 800 : 2 * RATE]).abs()
    assert steps.max() < 0.05
    spectrum = np.abs(np.fft.rfft(heard[1600:33_600].numpy() * np.hanning(32_000)))
    assert spectrum.argmax() == 880
    assert spectrum[1000:].max() < 0.003 * spectrum.max()  # clicks at joints would be broad


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "clip.mp4"
    with ClipWriter(path, 5, 16, 16, None) as writer:
        writer.write(torch.zeros(3, 2, 16, 16, dtype=torch.uint8))
        assert not path.exists()
    assert not probe(path).has_sound
    before = path.stat().st_mtime_ns
    with pytest.raises(ConfigurationError), ClipWriter(path, 5, 16, 16, None) as writer:
        writer.write(torch.zeros(3, 2, 8, 8, dtype=torch.uint8))
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_wrong_content_is_told_and_leaves_nothing(tmp_path):
    frames, sound = torch.zeros(3, 2, 16, 16, dtype=torch.uint8), torch.zeros(100)
    cases = [
        ((RATE, frames.float(), sound), "pixels must be uint8"),
        ((RATE, frames[..., :8], sound), "Frames must be 16x16 px, not 16x8"),
        ((RATE, frames, None), "has sound, but none was given"),
        ((None, frames, sound), "has no sound, but some was given"),
        ((RATE, frames, torch.full((5,), torch.nan)), "waveform must be"),
    ]
    for (rate, pixels, waveform), message in cases:
        with (
            pytest.raises(ConfigurationError, match=message),
            ClipWriter(tmp_path / "clip.mp4", 5, 16, 16, rate) as writer,
        ):
            writer.write(pixels, waveform)
    with pytest.raises(ConfigurationError, match="was given no frame"), ClipWriter(tmp_path / "c.mp4", 5, 16, 16, None):
        pass
    with pytest.raises(ConfigurationError, match="height and width >= 1, not 0"):
        ClipWriter(tmp_path / "clip.mp4", 5, 0, 16, None)
    with (
        pytest.raises(MediaError, match=r"nowhere/clip\.mp4: cannot be written"),
        ClipWriter(tmp_path / "nowhere" / "clip.mp4", 5, 16, 16, None) as writer,
    ):
        writer.write(frames)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [None, RATE])
def test_a_folder_that_is_a_file_is_told(rate, tmp_path):
    (tmp_path / "file").touch()
    frames, sound = torch.zeros(3, 5, 16, 16, dtype=torch.uint8), None if rate is None else torch.zeros(RATE)
    with pytest.raises(MediaError, match=r"file/clip\.mp4: cannot be written: Not a directory"):
        write_clip(tmp_path / "file" / "clip.mp4", frames, 5, sound, RATE)


def test_a_folder_that_vanishes_does_not_hide_why_the_block_failed(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def fail() -> None:
        with ClipWriter(folder / "clip.mp4", 5, 16, 16, None) as writer:
            writer.write(torch.zeros(3, 2, 16, 16, dtype=torch.uint8))
            shutil.rmtree(folder)
            folder.touch()
            raise RuntimeError("the reason")

    with pytest.raises(RuntimeError, match="the reason"):
        fail()
