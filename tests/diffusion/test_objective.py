"""The objective against formulas written out with numpy."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from numpy.testing import assert_allclose

from asva_lightning.diffusion import (
    CleanTarget,
    EpsilonTarget,
    FlowTarget,
    MinSnrWeighting,
    Objective,
    Sampling,
    VelocityTarget,
)  # fmt: skip
from asva_lightning.errors import ConfigurationError

STEPS = 1000
LEVELS = torch.tensor([0, 400, 999])
TARGETS = [EpsilonTarget(), VelocityTarget(), CleanTarget()]


def signal_share(start=0.00085, end=0.012):
    """The share of signal left at each level, shaped for clips ``(b, c, f, h, w)``."""
    betas = np.linspace(start**0.5, end**0.5, STEPS) ** 2
    return np.cumprod(1 - betas)[LEVELS.numpy()][:, None, None, None, None]


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 4, 5, 2, 3, generator=generator) for _ in range(3)]  # latents, noise, prediction


def test_noise_is_added_to_all_frames_but_the_first(clips):
    latents, noise, _ = clips
    noisy = Objective().add_noise(latents, noise, LEVELS)
    share = signal_share()
    expected = np.sqrt(share) * latents.numpy() + np.sqrt(1 - share) * noise.numpy()
    assert torch.equal(noisy[:, :, 0], latents[:, :, 0])
    assert_allclose(noisy[:, :, 1:], expected[:, :, 1:], atol=1e-5)


def test_epsilon_is_the_default_target(clips):
    latents, noise, prediction = clips
    loss = Objective().loss(prediction, latents, noise, LEVELS)
    expected = ((prediction - noise)[:, :, 1:].numpy() ** 2).mean(axis=(1, 2, 3, 4))
    assert loss.shape == (3,)
    assert_allclose(loss, expected, rtol=1e-5)


def test_velocity(clips):
    latents, noise, prediction = clips
    share = signal_share()
    velocity = np.sqrt(share) * noise.numpy() - np.sqrt(1 - share) * latents.numpy()
    loss = Objective(VelocityTarget()).loss(prediction, latents, noise, LEVELS)
    expected = ((prediction.numpy() - velocity)[:, :, 1:] ** 2).mean(axis=(1, 2, 3, 4))
    assert_allclose(loss, expected, rtol=1e-5)


def test_clean_latents(clips):
    latents, noise, prediction = clips
    loss = Objective(CleanTarget()).loss(prediction, latents, noise, LEVELS)
    expected = ((prediction - latents)[:, :, 1:].numpy() ** 2).mean(axis=(1, 2, 3, 4))
    assert_allclose(loss, expected, rtol=1e-5)


def test_the_schedule_is_as_configured(clips):
    latents, noise, _ = clips
    objective = Objective(beta_start=0.0001, beta_end=0.02, beta_schedule="scaled_linear", steps=STEPS)
    noisy = objective.add_noise(latents, noise, LEVELS)
    share = signal_share(0.0001, 0.02)
    expected = np.sqrt(share) * latents.numpy() + np.sqrt(1 - share) * noise.numpy()
    assert_allclose(noisy[:, :, 1:], expected[:, :, 1:], atol=1e-5)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.prediction_type)
def test_the_first_frame_does_not_count(clips, target):
    objective = Objective(target)
    loss = objective.loss(*clips, LEVELS)
    changed = [tensor.clone() for tensor in clips]
    for tensor in changed:
        tensor[:, :, 0] += 7
    assert torch.equal(objective.loss(*changed, LEVELS), loss)
    changed[0][:, :, 1] += 7
    assert (objective.loss(*changed, LEVELS) > loss).all()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.prediction_type)
def test_the_target_has_no_loss_and_leads_back_to_the_clean_latents(clips, target):
    latents, noise, _ = clips
    objective = Objective(target)
    schedule = DDPMScheduler(**objective.schedule_config)
    perfect = target(objective._shares[LEVELS][:, None, None, None, None], latents, noise)
    assert objective.loss(perfect, latents, noise, LEVELS).tolist() == [0, 0, 0]
    noisy = objective.add_noise(latents, noise, LEVELS)
    # Our targets mean what diffusers' schedulers take them for, so that training and sampling agree.
    back = [
        schedule.step(perfect[clip], int(level), noisy[clip]).pred_original_sample for clip, level in enumerate(LEVELS)
    ]
    limit = schedule.config.clip_sample_range
    expected = latents[:, :, 1:].clamp(-limit, limit)
    assert_allclose(torch.stack(back)[:, :, 1:], expected, atol=1e-3)


def test_loss_is_summed_in_full_precision(clips):
    latents, noise, prediction = clips
    loss = Objective().loss(prediction.bfloat16(), latents, noise, LEVELS)
    assert loss.dtype == torch.float32


def test_flow_is_a_straight_path(clips):
    latents, noise, prediction = clips
    objective = Objective(FlowTarget())
    sigma = (LEVELS.numpy()[:, None, None, None, None] + 1) / STEPS
    noisy = objective.add_noise(latents, noise, LEVELS)
    assert torch.equal(noisy[:, :, 0], latents[:, :, 0])
    assert_allclose(noisy[:, :, 1:], ((1 - sigma) * latents.numpy() + sigma * noise.numpy())[:, :, 1:], atol=1e-6)
    loss = objective.loss(prediction, latents, noise, LEVELS)
    expected = ((prediction - (noise - latents))[:, :, 1:].numpy() ** 2).mean(axis=(1, 2, 3, 4))
    assert_allclose(loss, expected, rtol=1e-5)


def test_flow_trains_and_samples_by_the_same_levels(clips):
    """Perfect predictions lead diffusers' scheduler from noise to the clean latents, and its levels are ours."""
    latents, noise, _ = clips
    objective = Objective(FlowTarget())
    scheduler = Sampling("FlowMatchEulerDiscreteScheduler").make_scheduler(objective)
    assert isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    scheduler.set_timesteps(STEPS)
    levels = torch.tensor([STEPS - 1, 0])
    assert objective.network_timestep(levels).tolist() == scheduler.timesteps[[0, -1]].tolist()
    scheduler.set_timesteps(5)
    walked = noise
    for timestep in scheduler.timesteps:
        walked = scheduler.step(noise - latents, timestep, walked).prev_sample
    assert_allclose(walked, latents, atol=1e-5)


def test_other_schedulers_cannot_follow_a_straight_path():
    for name in ("PNDMScheduler", "DDIMScheduler"):
        with pytest.raises(ConfigurationError, match=f"{name} cannot follow FlowTarget, whose path is straight"):
            Sampling(name).make_scheduler(Objective(FlowTarget()))


def test_the_motion_aware_loss(clips):
    latents, noise, prediction = clips
    plain, motion = (Objective(motion=weight).loss(*[prediction, latents, noise], LEVELS) for weight in (0.0, 0.7))
    error, change = (prediction - noise).numpy()[:, :, 1:], np.diff(latents.numpy(), axis=2)
    expected = plain.numpy() + 0.7 * ((error * change) ** 2).mean(axis=(1, 2, 3, 4))
    assert_allclose(motion, expected, rtol=1e-5)


def test_no_signal_is_left_at_the_end_of_a_bent_schedule(clips):
    latents, noise, _ = clips
    objective = Objective(VelocityTarget(), zero_terminal_snr=True)
    noisy = objective.add_noise(latents, noise, LEVELS)
    assert_allclose(noisy[2, :, 1:], noise[2, :, 1:], atol=1e-3)
    assert not np.allclose(
        Objective(VelocityTarget()).add_noise(latents, noise, LEVELS)[2, :, 1:], noise[2, :, 1:], atol=1e-2
    )
    scheduler = Sampling("DDIMScheduler").make_scheduler(objective)
    assert (scheduler.config.rescale_betas_zero_snr, scheduler.config.timestep_spacing) == (True, "trailing")


@pytest.mark.parametrize("target", [EpsilonTarget(), FlowTarget()], ids=["epsilon", "flow"])
def test_a_bent_schedule_needs_a_target_that_tells_latents(target):
    with pytest.raises(ConfigurationError, match=f"zero_terminal_snr does not go with {type(target).__name__}"):
        Objective(target, zero_terminal_snr=True)


@pytest.mark.parametrize("target", [VelocityTarget(), CleanTarget()], ids=["v", "clean"])
def test_a_bent_schedule_needs_weights_that_let_its_end_count(target):
    with pytest.raises(ConfigurationError, match=r"go with MinSnrWeighting: it weighs the last level, .* with 1e-08"):
        Objective(target, zero_terminal_snr=True, weighting=MinSnrWeighting())
    Objective(target, zero_terminal_snr=True)
    Objective(target, weighting=MinSnrWeighting())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"motion": -1}, "Objective needs a finite motion >= 0, not -1"),
        ({"motion": math.nan}, "Objective needs a finite motion >= 0, not nan"),
        ({"motion": math.inf}, "Objective needs a finite motion >= 0, not inf"),
        ({"steps": 0}, "Objective needs steps >= 1, not 0"),
        ({"steps": 0, "target": FlowTarget()}, "Objective needs steps >= 1, not 0"),
        ({"beta_start": -0.1}, "Objective needs beta_start between 0 and 1, not -0.1"),
        ({"beta_end": math.nan}, "Objective needs beta_end between 0 and 1, not nan"),
        ({"beta_schedule": "x"}, "beta_schedule 'x' .*init_args.beta_schedule to scaled_linear"),
        ({"steps": 1, "target": VelocityTarget(), "zero_terminal_snr": True}, "does not go with steps: 1"),
    ],
)
def test_numbers_that_cannot_work_are_named(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        Objective(**settings)


@pytest.mark.parametrize(
    ("target", "of_clean"),
    [(EpsilonTarget(), 0), (VelocityTarget(), 0), (CleanTarget(), 1), (FlowTarget(), -1)],
    ids=["epsilon", "v", "clean", "flow"],
)
def test_the_first_frame_counts_where_asked(clips, target, of_clean):
    latents, noise, prediction = clips
    loss = Objective(target, first_frame=True, motion=0.5).loss(prediction, latents, noise, LEVELS)
    without = Objective(target, motion=0.5).loss(prediction, latents, noise, LEVELS)
    first = (prediction[:, :, 0] - of_clean * latents[:, :, 0]).square().mean(dim=(1, 2, 3))
    rest = Objective(target).loss(prediction, latents, noise, LEVELS)
    assert_allclose(loss - (without - rest), (first + 4 * rest) / 5, rtol=1e-4)
