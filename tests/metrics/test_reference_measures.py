"""PSNR and SSIM against NumPy and SciPy in double precision."""

import numpy as np
import pytest
import torch
from judged_clips import FORMAT, clips
from scipy.ndimage import gaussian_filter

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.psnr import PSNR, psnr
from asva_lightning.metrics.ssim import SSIM, ssim


@pytest.fixture
def pair():
    """Samples and truth that are alike; the first frames differ most, and do not count."""
    truth = clips(3, seed=0).float()
    noise = torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    strength = torch.tensor([2.0, 10.0, 40.0]).view(3, 1, 1, 1, 1)
    sample = (truth + strength * noise).round().clamp(0, 255)
    sample[:, :, 0] = 255 - sample[:, :, 0]
    return sample.to(torch.uint8), truth.to(torch.uint8)


def ssim_by_scipy(sample, truth):
    """Of two grey pictures; an 11-pixel Gaussian window, mirrored at the border."""

    def blur(picture):
        return gaussian_filter(picture, 1.5, truncate=5 / 1.5, mode="mirror")

    means = blur(sample), blur(truth)
    variances = blur(sample**2) - means[0] ** 2, blur(truth**2) - means[1] ** 2
    covariance = blur(sample * truth) - means[0] * means[1]
    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * means[0] * means[1] + first) * (2 * covariance + second)
    return (numerator / ((means[0] ** 2 + means[1] ** 2 + first) * (sum(variances) + second))).mean()


def test_psnr_is_its_formula_over_all_frames_but_the_first(pair):
    sample, truth = (clip.double().numpy()[:, :, 1:] for clip in pair)
    expected = 10 * np.log10(255**2 / ((sample - truth) ** 2).mean(axis=(1, 2, 3, 4)))
    assert psnr(*pair).numpy() == pytest.approx(expected, rel=1e-5)


def test_ssim_is_its_formula_over_all_frames_but_the_first(pair):
    sample, truth = (clip.double().numpy() for clip in pair)
    expected = [
        np.mean([ssim_by_scipy(sample[i, c, f], truth[i, c, f]) for f in range(1, 4) for c in range(3)])
        for i in range(3)
    ]
    assert ssim(*pair).numpy() == pytest.approx(expected, rel=1e-4)


def test_the_truth_itself_has_ssim_1_and_is_left_out_of_psnr(pair):
    _, truth = pair
    assert psnr(truth, truth).isinf().all()
    assert torch.allclose(ssim(truth, truth), torch.ones(3))
    metric = PSNR()
    metric.update(truth, truth)
    metric.update(*pair)
    assert float(metric.compute()) == pytest.approx(float(psnr(*pair).mean()), rel=1e-6)
    assert int(metric.left_out) == 3


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_one_clip_is_judged_by_its_reference(metric, pair):
    sample, truth = pair
    sound = torch.zeros(FORMAT.samples)
    value = metric().measure(EvaluatedClip("a", sample[1], sound, "dog", truth[1]), FORMAT)
    assert value == pytest.approx(float(metric().values(*pair)[1]), rel=1e-6)
    assert metric.higher_is_better is True
    with pytest.raises(ConfigurationError, match=f"{metric.__name__} needs the truth beside the sample, and clip 'a'"):
        metric().measure(EvaluatedClip("a", sample[1], sound, "dog"), FORMAT)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_clips_of_unlike_shape_are_refused(measure, pair):
    sample, truth = pair
    with pytest.raises(ConfigurationError, match=r"\(3, 3, 3, 12, 20\) and the truth is \(3, 3, 4, 12, 20\)\. Read"):
        measure(sample[:, :, 1:], truth)
    with pytest.raises(ConfigurationError, match="two frames or more"):
        measure(sample[:, :, :1], truth[:, :, :1])


@pytest.mark.parametrize(("measure", "name"), [(psnr, "PSNR"), (ssim, "SSIM")])
def test_floats_are_refused_whatever_they_hold(measure, name, pair):
    sample, truth = pair
    nan = torch.full(sample.shape, torch.nan)
    for pixels, reference in ((sample.float() / 255, truth.float() / 255), (nan, truth), (sample, nan)):
        met = rf"the samples are {pixels.dtype} and the truth is {reference.dtype}\. Give frames as they are read"
        with pytest.raises(ConfigurationError, match=f"^{name} compares pixels of uint8, but {met}"):
            measure(pixels, reference)


def test_frames_that_are_smaller_than_the_window_have_no_ssim(pair):
    sample, truth = (clip[..., :10] for clip in pair)
    with pytest.raises(ConfigurationError, match="windows of 11 pixels; frames of 12x10 are too small"):
        ssim(sample, truth)
