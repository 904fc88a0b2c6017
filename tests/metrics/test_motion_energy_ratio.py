import numpy as np
import torch
from second_opinions import motion
from sync_clips import random_clips

from asva_lightning.metrics.motion_energy_ratio import MotionEnergyRatio, motion_energy_ratio


def test_ratio_of_random_clips_is_that_of_numpy():
    _, pixels = random_clips(8, 12)
    random = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (2, *pixels.shape[1:]), dtype=torch.uint8, generator=random)
    samples = torch.cat([pixels[:4], noise, pixels[4:6]])
    truth = pixels.flip(0)
    expected = [motion(sample.numpy()).mean() / motion(true.numpy()).mean() for sample, true in zip(samples, truth)]
    np.testing.assert_allclose(motion_energy_ratio(samples, truth).numpy(), expected, rtol=1e-5)
    assert max(expected) > 3 * min(expected), "clips that are alike prove nothing"


def test_a_still_sample_has_zero_and_a_still_truth_is_left_out():
    still = torch.zeros(1, 3, 4, 8, 8, dtype=torch.uint8)
    moving, twice = still.clone(), still.clone()
    moving[:, :, 1::2], twice[:, :, 1::2] = 60, 120
    assert motion_energy_ratio(twice, moving).tolist() == [2.0]
    assert motion_energy_ratio(still, moving).tolist() == [0.0]
    assert motion_energy_ratio(moving, still).isnan().all()
    metric = MotionEnergyRatio()
    metric.update(torch.cat([twice, moving]), torch.cat([moving, still]))
    assert (float(metric.compute()), int(metric.left_out)) == (2.0, 1)
