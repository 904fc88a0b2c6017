"""Batches that are no batches of clips with their sounds are refused."""

import pytest
import torch
from judged_clips import FORMAT, clips

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation
from asva_lightning.metrics.psnr import PSNR
from asva_lightning.metrics.ssim import SSIM

RATE = 16_000
OF_SOUND = [OnsetF1(tolerance=0.2), AVAlign(), OnsetMotionCorrelation()]


@pytest.mark.parametrize("metric", OF_SOUND, ids=lambda metric: type(metric).__name__)
def test_sounds_and_clips_that_do_not_belong_together_are_refused(metric):
    pixels, sounds = clips(2, seed=0), torch.rand(2, RATE) - 0.5
    with pytest.raises(ConfigurationError, match="There are 1 sounds for 2 clips. Give one sound for each clip"):
        metric.values(sounds[:1], pixels, FORMAT.fps, RATE)
    with pytest.raises(ConfigurationError, match="There are 2 sounds for 1 clips"):
        metric.values(sounds, pixels[:1], FORMAT.fps, RATE)
    with pytest.raises(ConfigurationError, match="Clips need fps > 0, not 0"):
        metric.values(sounds, pixels, 0.0, RATE)
    with pytest.raises(
        ConfigurationError, match=r"sound in \[-1, 1\] of floating point, not torch.int16. Divide .* by"
    ):
        metric.values((sounds * 32767).short(), pixels, FORMAT.fps, RATE)


@pytest.mark.parametrize("metric", [PSNR(), SSIM()], ids=lambda metric: type(metric).__name__)
def test_frames_in_the_place_of_colours_are_refused(metric):
    """Or a colour would be left out in place of the first frame."""
    pixels = clips(2, seed=0).transpose(1, 2)
    with pytest.raises(
        ConfigurationError, match=r"compares clips \(b, 3, f, h, w\) .* samples are \(2, 4, 3, 12, 20\)"
    ):
        metric.values(pixels, pixels.flip(0))
