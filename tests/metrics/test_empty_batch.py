"""A rank may meet a batch of no clips, as when all of them are substitutes; it adds nothing to any mean."""

import pytest
import torch
from judged_clips import SmallPictureNetwork, clips

from asva_lightning.media import ClipFormat
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.motion_correlation import MotionCorrelation
from asva_lightning.metrics.motion_energy_ratio import MotionEnergyRatio
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation
from asva_lightning.metrics.onsets import spectral_flux
from asva_lightning.metrics.psnr import PSNR
from asva_lightning.metrics.ssim import SSIM

FORMAT = ClipFormat(frames=8, fps=8, height=16, width=16)
SAMPLES, TRUTH = clips(2, 0, FORMAT), clips(2, 1, FORMAT)
SOUND = 0.1 * torch.randn(2, FORMAT.samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("metric", "batch"),
    [
        *((kind(), (SOUND, SAMPLES, 8, 16_000)) for kind in (AVAlign, OnsetF1, OnsetMotionCorrelation)),
        *((kind(), (SAMPLES, TRUTH)) for kind in (MotionCorrelation, MotionEnergyRatio, PSNR, SSIM)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_batch_of_no_clips_adds_nothing(metric, batch):
    metric.update(*batch)
    mean = metric.compute()
    metric.update(*(part[:0] if isinstance(part, torch.Tensor) else part for part in batch))
    assert (metric.count, metric.left_out) == (2, 0)
    assert torch.equal(metric.compute(), mean)


def test_a_batch_of_no_clips_adds_nothing_to_a_set():
    metric = FID(SmallPictureNetwork())
    for real, batch in ((True, TRUTH), (False, SAMPLES)):
        metric.update(batch[:0], FORMAT, real=real)
        metric.update(batch, FORMAT, real=real)
    distance = metric.compute()
    metric.update(SAMPLES[:0], FORMAT, real=False)
    assert torch.equal(metric.compute(), distance)


def test_the_flux_of_no_sound_has_as_many_steps_as_that_of_one():
    assert spectral_flux(SOUND[:0], 16_000).strength.shape == (0, spectral_flux(SOUND, 16_000).strength.shape[1])
