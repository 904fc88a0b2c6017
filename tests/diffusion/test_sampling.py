import diffusers
import pytest
import torch

from asva_lightning.diffusion import CleanTarget, Guidance, Objective, Sampling, VelocityTarget
from asva_lightning.errors import ConfigurationError


def test_the_default_scheduler_is_the_methods():
    scheduler = Sampling().make_scheduler(Objective())
    assert isinstance(scheduler, diffusers.PNDMScheduler)
    expected = {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "skip_prk_steps": True,
        "steps_offset": 1,
        "set_alpha_to_one": False,
    }
    assert {name: scheduler.config[name] for name in expected} == expected
    assert (Sampling().steps, Sampling().guidance) == (50, Guidance(audio=4, text=1, sync=0))


OTHERS = ["DDIMScheduler", "DDPMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"]


@pytest.mark.parametrize("name", OTHERS)
def test_a_scheduler_gets_the_noise_schedule_and_the_target_of_the_objective(name):
    objective = Objective(VelocityTarget(), steps=500, beta_start=0.001, beta_end=0.02)
    scheduler = Sampling(scheduler=name).make_scheduler(objective)
    assert type(scheduler).__name__ == name
    assert {key: scheduler.config[key] for key in objective.schedule_config} == objective.schedule_config
    assert not scheduler.config.get("clip_sample", False)  # latents are not bounded


def test_given_options_replace_the_methods():
    scheduler = Sampling("DDIMScheduler", options={"set_alpha_to_one": True}).make_scheduler(Objective())
    assert scheduler.config.set_alpha_to_one is True
    assert scheduler.config.steps_offset == 0


@pytest.mark.parametrize("name", ["NoSuchScheduler", "DDIM", "UNet2DModel", "FlaxScheduler"])
def test_an_unknown_scheduler_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"no scheduler '{name}'.*PNDMScheduler, DDIMScheduler"):
        Sampling(scheduler=name).make_scheduler(Objective())


def test_an_unknown_setting_of_a_scheduler_is_refused():
    sampling = Sampling("DDIMScheduler", options={"skip_prk_steps": True})
    message = "DDIMScheduler has no setting 'skip_prk_steps'. It has: .*clip_sample"
    with pytest.raises(ConfigurationError, match=message):
        sampling.make_scheduler(Objective())


@pytest.mark.parametrize(
    ("name", "objective", "message"),
    [
        (
            "FlowMatchEulerDiscreteScheduler",
            Objective(),
            "FlowMatchEulerDiscreteScheduler samples straight paths only; the target is EpsilonTarget. Set model",
        ),
        (
            "PNDMScheduler",
            Objective(VelocityTarget(), zero_terminal_snr=True),
            "zero_terminal_snr needs a scheduler that can, which PNDMScheduler cannot: set model.* as DDIMScheduler",
        ),
        ("KarrasVeScheduler", Objective(), "KarrasVeScheduler does not take the noise schedule that EpsilonTarget is"),
    ],
    ids=["flow", "zero terminal SNR", "no betas"],
)
def test_a_schedule_that_a_scheduler_does_not_know_is_told_in_words_of_the_recipe(name, objective, message):
    with pytest.raises(ConfigurationError, match=message):
        Sampling(name).make_scheduler(objective)


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("PNDMScheduler", 50, r"PNDMScheduler cannot sample CleanTarget in 50 steps: .*epsilon.*DDIMScheduler samples"),
        ("EulerAncestralDiscreteScheduler", 5, r"cannot sample CleanTarget in 5 steps: .*sample"),
        ("DDIMScheduler", 2000, r"DDIMScheduler cannot sample CleanTarget in 2000 steps: .*2000"),
    ],
)
def test_what_a_scheduler_cannot_sample_is_told_when_it_is_made(name, steps, message):
    with pytest.raises(ConfigurationError, match=message):
        Sampling(name, steps).make_scheduler(Objective(CleanTarget()))


def test_steps_must_be_positive():
    with pytest.raises(ConfigurationError, match=r"sampling.steps must be at least 1, not 0"):
        Sampling(steps=0)


def test_trying_a_scheduler_out_takes_no_randomness():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    Sampling("DDPMScheduler").make_scheduler(Objective())
    assert torch.equal(torch.random.get_rng_state(), before)
