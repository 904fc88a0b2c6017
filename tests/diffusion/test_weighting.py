"""Weights of noise levels."""

import pytest
import torch

from asva_lightning.diffusion import (
    CleanTarget,
    EpsilonTarget,
    FlowTarget,
    MinSnrWeighting,
    Objective,
    UniformWeighting,
    VelocityTarget,
)  # fmt: skip
from asva_lightning.errors import ConfigurationError

TARGETS = [EpsilonTarget(), VelocityTarget(), CleanTarget(), FlowTarget()]
LEVELS = torch.tensor([5, 300, 700, 990])


def test_min_snr_for_epsilon_and_v_are_the_papers():
    ratio = torch.tensor([0.1, 1.0, 5.0, 40.0])
    weighting = MinSnrWeighting(gamma=5.0)
    torch.testing.assert_close(weighting(ratio, EpsilonTarget()), torch.tensor([1.0, 1.0, 1.0, 5 / 40]))
    torch.testing.assert_close(weighting(ratio, VelocityTarget()), torch.tensor([0.1 / 1.1, 1 / 2, 5 / 6, 5 / 41]))
    torch.testing.assert_close(weighting(ratio, CleanTarget()), torch.tensor([0.1, 1.0, 5.0, 5.0]))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.prediction_type)
def test_the_same_error_of_clean_latents_weighs_the_same_under_every_target(target):
    """An error ``d`` of the clean latents, told by each target, gives the loss ``min(SNR, gamma) d^2``."""
    generator = torch.Generator().manual_seed(0)
    latents, other = (torch.randn(4, 2, 3, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    noise = torch.randn(4, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    objective = Objective(target, weighting=MinSnrWeighting(5.0))
    noisy = objective.add_noise(latents, noise, LEVELS)
    signal, sigma = objective._mixture(latents, LEVELS)
    implied = (noisy - signal * other) / sigma  # the noise that the same noisy latents mean if `other` is clean
    share = objective._shares[LEVELS].double()[:, None, None, None, None]
    loss = objective.loss(target(share, other, implied), latents, noise, LEVELS)
    ratio = (signal / sigma).square().flatten()
    wrong = (latents - other)[:, :, 1:].square().mean(dim=(1, 2, 3, 4))
    torch.testing.assert_close(loss.double(), ratio.clamp(max=5.0) * wrong, rtol=1e-3, atol=1e-6)


def test_uniform_weights_change_no_bit():
    generator = torch.Generator().manual_seed(0)
    clips = [torch.randn(4, 2, 3, 4, 4, generator=generator) for _ in range(3)]
    plain = Objective().loss(*clips, LEVELS)
    assert torch.equal(Objective(weighting=UniformWeighting(), motion=0.0).loss(*clips, LEVELS), plain)
    prediction, _, noise = clips
    by_hand = (prediction[:, :, 1:] - noise[:, :, 1:]).square().mean(dim=(1, 2, 3, 4))
    assert torch.equal(plain, by_hand)


def test_no_signal_left_is_no_division_by_zero():
    weights = MinSnrWeighting()(torch.tensor([0.0]), EpsilonTarget())
    torch.testing.assert_close(weights, torch.tensor([1.0]))


def test_gamma_must_be_positive():
    with pytest.raises(ConfigurationError, match="MinSnrWeighting needs gamma > 0, not 0"):
        MinSnrWeighting(gamma=0)
