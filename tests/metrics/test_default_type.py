"""Within a step Lightning makes a type of 16 bits the default if it trains in one; no number may depend on that."""

import pytest
import torch
from judged_clips import clips

from asva_lightning.evaluation.lag import motion_lags
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.av_align import av_align
from asva_lightning.metrics.flow import flow_curve
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.motion_correlation import motion_correlation
from asva_lightning.metrics.motion_energy_ratio import motion_energy_ratio
from asva_lightning.metrics.onset_f1 import onset_f1
from asva_lightning.metrics.onset_motion_correlation import onset_motion_correlation
from asva_lightning.metrics.psnr import psnr
from asva_lightning.metrics.resize import squash
from asva_lightning.metrics.ssim import ssim
from asva_lightning.metrics.sync_accuracy import sync_accuracy
from asva_lightning.metrics.sync_classifier import for_scoring, for_training

FORMAT = ClipFormat(frames=24, fps=12, height=20, width=28)
SAMPLES, TRUTH = clips(2, 0, FORMAT), clips(2, 1, FORMAT)
SOUND = 0.1 * torch.randn(2, FORMAT.samples, generator=torch.Generator().manual_seed(0))
SOUND[:, 8000:12000] *= 8

FUNCTIONS = {
    "av_align": lambda: av_align(SOUND, SAMPLES, 12, 16_000),
    "flow": lambda: flow_curve(SAMPLES),
    "lags": lambda: motion_lags(motion_curve(SAMPLES)[0], motion_curve(TRUTH), [0.1, 0.2], 12)[0],
    "motion_correlation": lambda: motion_correlation(SAMPLES, TRUTH),
    "motion_energy_ratio": lambda: motion_energy_ratio(SAMPLES, TRUTH),
    "onset_f1": lambda: onset_f1(SOUND, SAMPLES, 12, 16_000),
    "onset_motion_correlation": lambda: onset_motion_correlation(SOUND, SAMPLES, 12, 16_000),
    "psnr": lambda: psnr(SAMPLES, TRUTH),
    "scoring": lambda: for_scoring(SAMPLES, 16),
    "squash": lambda: squash(SAMPLES, 16),
    "ssim": lambda: ssim(SAMPLES, TRUTH),
    "sync_accuracy": lambda: sync_accuracy(SOUND[:, :49].reshape(2, 7, 7), within=1).curve,
    "training": lambda: for_training(SAMPLES, 16),
}


@pytest.mark.parametrize("default", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_default_type_is_of_no_account(name, default):
    expected = FUNCTIONS[name]()
    torch.set_default_dtype(default)
    try:
        met = FUNCTIONS[name]()
    finally:
        torch.set_default_dtype(torch.float32)
    assert met.dtype == expected.dtype
    assert torch.equal(met, expected)
