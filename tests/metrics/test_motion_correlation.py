import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sync_clips import jumping_square

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.motion_correlation import MotionCorrelation, motion_correlation


def test_correlation_is_that_of_scipy():
    random = torch.Generator().manual_seed(0)
    sample, truth = (torch.randint(0, 256, (4, 3, 12, 6, 6), dtype=torch.uint8, generator=random) for _ in range(2))
    sample_curves, truth_curves = (
        np.abs(np.diff(pixels.numpy().astype(float), axis=2)).mean(axis=(1, 3, 4)) for pixels in (sample, truth)
    )
    expected = [pearsonr(x, y).statistic for x, y in zip(sample_curves, truth_curves)]
    np.testing.assert_allclose(motion_correlation(sample, truth).numpy(), expected, atol=1e-4)


def test_the_truth_has_one_a_still_sample_zero_and_a_still_truth_nan():
    moving, still = jumping_square([0.5, 1.1], 12, 6), jumping_square([], 12, 6)
    values = motion_correlation(torch.stack([moving, still, moving]), torch.stack([moving, moving, still]))
    np.testing.assert_allclose(values.numpy(), [1, 0, np.nan], atol=1e-6)


def test_clips_without_a_moving_truth_are_left_out_and_counted():
    moving, still = jumping_square([0.5], 12, 6), jumping_square([], 12, 6)
    metric = MotionCorrelation()
    metric.update(torch.stack([moving, moving]), torch.stack([moving, still]))
    assert float(metric.compute()) == pytest.approx(1)
    assert (int(metric.count), int(metric.left_out)) == (1, 1)


def test_both_must_have_the_same_frames():
    with pytest.raises(ConfigurationError, match="frame by frame.*Read both with the same clip format"):
        motion_correlation(jumping_square([], 12)[None], jumping_square([], 11)[None])


def test_a_clip_without_truth():
    clip = EvaluatedClip("dog_3", jumping_square([], 12), torch.zeros(32_000), "dog barking")
    with pytest.raises(ConfigurationError, match="clip 'dog_3' has none. Give the folder of true clips"):
        MotionCorrelation().measure(clip, ClipFormat(12, 6, 32, 32))
