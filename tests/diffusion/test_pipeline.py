import dataclasses

import diffusers
import pytest
import torch

from asva_lightning.diffusion import Guidance, Objective, Sampling, VelocityTarget, denoise
from asva_lightning.encoders import to_floats, to_pixels
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


@pytest.fixture
def given(pipeline):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (2, 3, 16, 24), dtype=torch.uint8, generator=generator)
    return pictures, 0.1 * torch.randn(2, pipeline.format.samples, generator=generator), ["a drum", ""]


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_pictures_and_sounds_become_videos(pipeline, given):
    videos = pipeline(*given, generators(1, 2))
    assert videos.shape == (2, 3, 4, 16, 24)
    assert videos.dtype == torch.uint8
    assert torch.equal(videos[:, :, 0], given[0])
    assert videos[:, :, 1:].float().std() > 10


def test_a_video_is_made_of_the_parts_by_hand(pipeline, given):
    pictures, waveforms, texts = given
    conditions = pipeline.conditioner.conditions(waveforms, texts, 4)
    null = pipeline.conditioner.null(waveforms.shape[-1], 4)
    image = pipeline.conditioner.codec.encode(to_floats(pictures[:, :, None]))[:, :, 0]
    noise = torch.stack([torch.randn(48, 3, 4, 6, generator=generator) for generator in generators(1, 2)])
    scheduler = pipeline.sampling.make_scheduler(pipeline.objective)
    latents = denoise(pipeline.denoiser, image, noise, conditions, null, scheduler, 3, Guidance(audio=4))
    expected = to_pixels(pipeline.conditioner.codec.decode(latents))
    assert torch.equal(pipeline(*given, generators(1, 2)), expected)


def test_the_generator_decides_on_the_video(pipeline, given):
    first = pipeline(*given, generators(1, 2))
    assert torch.equal(pipeline(*given, generators(1, 2)), first)
    other = pipeline(*given, generators(1, 3))
    assert torch.equal(other[0], first[0])
    assert not torch.equal(other[1], first[1])


def test_sound_text_and_guidance_have_an_effect(pipeline, given):
    pictures, waveforms, texts = given
    first = pipeline(*given, generators(1, 2))
    assert not torch.equal(pipeline(pictures, waveforms.flip(1), texts, generators(1, 2)), first)
    assert not torch.equal(pipeline(pictures, waveforms, ["a lamp", ""], generators(1, 2))[0], first[0])
    sampling = dataclasses.replace(pipeline.sampling, guidance=Guidance(audio=1))
    assert not torch.equal(dataclasses.replace(pipeline, sampling=sampling)(*given, generators(1, 2)), first)
