import diffusers
import pytest

from asva_lightning.diffusion import Guidance, Objective, Sampling, VelocityTarget
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
    with pytest.raises(ConfigurationError, match="FlowMatchEulerDiscreteScheduler has no setting 'beta_start'"):
        Sampling("FlowMatchEulerDiscreteScheduler").make_scheduler(Objective())
