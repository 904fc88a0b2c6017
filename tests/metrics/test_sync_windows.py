"""Windows cut from a longer clip: which frames and which samples."""

import numpy as np
import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.sync_windows import ShiftedWindows

LONG = ClipFormat(frames=180, fps=30, height=8, width=8)


def numbered(format, clips=1):
    """Frames and samples that hold their own number."""
    frames = torch.arange(format.frames).view(1, 1, -1, 1, 1).expand(clips, 3, -1, 2, 2)
    return frames, torch.arange(format.samples, dtype=torch.float64).expand(clips, -1)


def test_training_windows_of_the_release_have_their_very_frames():
    windows = ShiftedWindows()
    frames, sound = numbered(LONG)
    cut, heard = windows.cut_video(frames, LONG), windows.cut_sound(sound, LONG)
    assert cut.shape == (1, 21, 3, 12, 2, 2)
    assert heard.shape == (1, 21, 32_000)
    expected = 6 * np.arange(21)[:, None] + 5 * np.arange(12)
    assert (cut[0, :, 0, :, 0, 0].numpy() == expected).all()
    assert (heard[0, :, 0].numpy() == 3200 * np.arange(21)).all()
    assert heard[0, -1, -1] == LONG.samples - 1


@pytest.mark.parametrize("fps", [25.0, 30.0, 12.5])
def test_frames_are_the_nearest_and_sound_keeps_their_time(fps):
    windows = ShiftedWindows(31, 0.04)
    long = ClipFormat(frames=round(4 * fps), fps=fps, height=8, width=8)
    frames, sound = numbered(long)
    cut, heard = windows.cut_video(frames, long), windows.cut_sound(sound, long)
    first = (4 - windows.span) / 2
    times = first + 0.04 * np.arange(31)[:, None] + np.arange(12) / 6
    shown = cut[0, :, 0, :, 0, 0].numpy() / fps
    assert np.abs(shown - times).max() <= 0.5 / fps + 1e-6
    assert np.abs(heard[0, :, 0].numpy() / 16_000 - times[:, 0]).max() <= 1 / 16_000


def test_the_windows_lie_in_the_middle():
    windows = ShiftedWindows(3, 0.5, frames=6, fps=6)
    assert windows.span == pytest.approx(2.0)
    assert windows.starts(LONG) == pytest.approx((2.0, 2.5, 3.0))


def test_of_two_equally_near_frames_the_earlier_is_taken():
    windows = ShiftedWindows(1, 1.0, frames=4, fps=10)
    long = ClipFormat(frames=2, fps=5, height=8, width=8)
    cut = windows.cut_video(numbered(long)[0], long)
    assert cut[0, 0, 0, :, 0, 0].tolist() == [0, 0, 1, 1]


def test_clips_of_a_batch_do_not_mix():
    frames, sound = numbered(LONG, clips=2)
    frames, sound = frames.clone(), sound.clone()
    frames[1] += 1000
    sound[1] += 1e6
    windows = ShiftedWindows()
    assert (windows.cut_video(frames, LONG).diff(dim=0) == 1000).all()
    assert (windows.cut_sound(sound, LONG).diff(dim=0) == 1e6).all()


def test_a_clip_that_is_too_short_is_refused_with_the_length_it_needs():
    short = ClipFormat(frames=90, fps=30)
    with pytest.raises(ConfigurationError, match=r"21 windows of 2 s.*span 6 s.*has 3 s.*frames to at least 180"):
        ShiftedWindows().cut_video(numbered(short)[0], short)


def test_windows_without_length_are_refused():
    with pytest.raises(ConfigurationError, match="count > 0, not 0"):
        ShiftedWindows(count=0)
