"""AnimationPipeline as users of diffusers call it."""

import logging
from dataclasses import asdict

import diffusers
import numpy as np
import PIL.Image
import pytest
import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import AnimationPipeline, Guidance, Objective, Sampling, VelocityTarget, denoise
from asva_lightning.diffusion import guidance as warnings
from asva_lightning.diffusion.inputs import waveforms_of
from asva_lightning.encoders import PixelCodec, to_floats, to_pixels
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import write_clip


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def picture():
    return torch.randint(0, 256, (3, 16, 24), dtype=torch.uint8, generator=seeded(0))


@pytest.fixture(scope="module")
def sound(pipeline):
    return 0.1 * torch.randn(pipeline.format.samples, generator=seeded(1))


@pytest.fixture(scope="module")
def video(pipeline, picture, sound):
    return pipeline(picture, sound, "a drum", generator=seeded(5), output_type="pt").frames


def test_frames_come_as_asked(pipeline, picture, sound, video):
    assert video.shape == (1, 4, 3, 16, 24)
    as_array = pipeline(picture, sound, "a drum", generator=seeded(5), output_type="np").frames
    np.testing.assert_allclose(as_array, video.permute(0, 1, 3, 4, 2).numpy())
    [images] = pipeline(picture, sound, "a drum", generator=seeded(5)).frames
    assert [image.size for image in images] == [(24, 16)] * 4
    assert np.abs(np.asarray(images[2]) / 255 - as_array[0, 2]).max() <= 0.5 / 255 + 1e-6
    (latents,) = pipeline(picture, sound, "a drum", generator=seeded(5), output_type="latent", return_dict=False)
    assert latents.shape == (1, 48, 4, 4, 6)


def test_the_first_frame_is_the_picture(video, picture):
    torch.testing.assert_close(video[0, 0] * 255, picture.float(), atol=0.01, rtol=0)
    assert video[0, 1:].std() > 0.05


def test_a_video_is_made_of_the_parts_by_hand(pipeline, picture, sound):
    conditions = pipeline.conditioner.conditions(sound[None], ["a drum"], 4)
    null = pipeline.conditioner.null(len(sound), 4)
    image = pipeline.conditioner.codec.encode(to_floats(picture[None, :, None]))[:, :, 0]
    noise = torch.randn(1, 48, 3, 4, 6, generator=seeded(5))
    scheduler = Sampling().make_scheduler(Objective(VelocityTarget()))
    latents = denoise(pipeline.unet, image, noise, conditions, null, scheduler, 3, Guidance(audio=4))
    made = pipeline.sample(pipeline.encode(picture[None]), sound[None], ["a drum"], seeded(5))
    assert torch.equal(made, latents)
    assert torch.equal(pipeline.decode(made), to_pixels(pipeline.conditioner.codec.decode(latents)))


def test_one_of_a_kind_serves_all(pipeline, picture, sound, video):
    batch = pipeline(
        picture, [sound, sound.flip(0)], "a drum", generator=[seeded(5), seeded(5)], output_type="pt"
    ).frames
    assert batch.shape == (2, 4, 3, 16, 24)
    torch.testing.assert_close(batch[0], video[0], atol=1e-4, rtol=0)
    assert (batch[1] - video[0]).abs().max() > 0.01
    with pytest.raises(ConfigurationError, match="There are 2, 3, 1 images, sounds and texts"):
        pipeline([picture] * 2, [sound] * 3)


def test_pictures_and_sounds_in_every_form(pipeline, picture, sound, video, tmp_path):
    array = picture.permute(1, 2, 0).numpy()
    PIL.Image.fromarray(array).save(tmp_path / "picture.png")
    forms = [picture / 255, array, array / 255.0, PIL.Image.fromarray(array), str(tmp_path / "picture.png")]
    for form in forms:
        again = pipeline(form, sound.numpy(), "a drum", generator=seeded(5), output_type="pt").frames
        torch.testing.assert_close(again, video, atol=1e-4, rtol=0)
    write_clip(tmp_path / "sound.mp4", torch.zeros(3, 8, 16, 16, dtype=torch.uint8), 8, sound, 16_000)
    heard = pipeline(picture, tmp_path / "sound.mp4", "a drum", generator=seeded(5), output_type="pt").frames
    assert (heard - video).abs().mean() < 0.05  # AAC is not lossless


def test_sound_at_another_rate_is_resampled():
    slow, fast = (torch.sin(2 * torch.pi * 440 * torch.arange(rate // 2) / rate) for rate in (16_000, 48_000))
    [same] = waveforms_of([fast], 48_000, 16_000, 8_000)
    assert (same - slow)[200:-200].abs().max() < 1e-3
    assert torch.equal(waveforms_of([slow, slow[:3000]], None, 16_000, 4_000)[0], slow[:4_000])
    assert waveforms_of([slow[:3000]], None, 16_000, 4_000)[0, 3000:].abs().max() == 0


def test_the_picture_is_cropped_never_stretched(pipeline, picture, sound, video):
    wide = torch.zeros(3, 16, 40, dtype=torch.uint8)
    wide[:, :, 8:32] = picture
    cropped = pipeline(wide, sound, "a drum", generator=seeded(5), output_type="pt").frames
    torch.testing.assert_close(cropped, video, atol=1e-4, rtol=0)
    larger = pipeline(wide, sound, height=24, width=32, output_type="pt").frames
    assert larger.shape == (1, 4, 3, 24, 32)


def test_sound_text_and_each_guidance_have_an_effect(pipeline, picture, sound, video):
    changes = [
        {"audio": sound.flip(0)},
        {"text": "a lamp"},
        {"audio_guidance_scale": 1.0},
        {"text_guidance_scale": 3.0},
        {"sync_guidance_scale": 2.0},
        {"num_inference_steps": 5},
        {"generator": seeded(6)},
    ]
    for change in changes:
        words = {"audio": sound, "text": "a drum", "generator": seeded(5)} | change
        assert (pipeline(picture, output_type="pt", **words).frames - video).abs().max() > 1e-3, change


def test_noise_may_be_given(pipeline, picture, sound, video):
    noise = torch.randn(1, 48, 3, 4, 6, generator=seeded(5))
    given = pipeline(picture, sound, "a drum", latents=noise, output_type="pt").frames
    assert torch.equal(given, video)
    with pytest.raises(ConfigurationError, match=r"latents must be \(1, 48, 3, 4, 6\), not \(1, 48, 4, 4, 6\)"):
        pipeline(picture, sound, latents=torch.zeros(1, 48, 4, 4, 6))


def test_guidance_one_by_one_gives_the_same(pipeline, picture, sound):
    scales = {"audio_guidance_scale": 3.0, "text_guidance_scale": 2.0, "sync_guidance_scale": 1.0}
    batches = []
    hook = pipeline.unet.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    together = pipeline(picture, sound, "a drum", generator=seeded(5), output_type="pt", **scales).frames
    assert set(batches) == {3, 1}  # the pass without audio layers cannot share the batch
    batches.clear()
    pipeline.enable_guidance_slicing()
    alone = pipeline(picture, sound, "a drum", generator=seeded(5), output_type="pt", **scales).frames
    pipeline.disable_guidance_slicing()
    hook.remove()
    assert set(batches) == {1}
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=0)


def test_keys_and_values_of_conditions_are_made_once_a_call(pipeline, picture, sound):
    counts = {"attn2": 0, "attn_audio": 0, "attn1": 0}
    hooks = []
    for name, module in pipeline.unet.named_modules():
        kind = name.split(".")[-2:-1]
        if name.endswith("to_k") and kind[0] in counts:
            hooks.append(module.register_forward_hook(lambda *_, kind=kind[0]: counts.update({kind: counts[kind] + 1})))
    blocks = sum(name.endswith("attn_audio") for name, _ in pipeline.unet.named_modules())
    pipeline(picture, sound, num_inference_steps=3, output_type="latent")
    for hook in hooks:
        hook.remove()
    evaluations = len(pipeline.scheduler.timesteps)
    assert evaluations > 3
    assert counts == {"attn2": blocks, "attn_audio": blocks, "attn1": blocks * evaluations}


def test_a_callback_sees_and_changes_every_step(pipeline, picture, sound, video):
    seen = []

    def note(pipe, step, timestep, given):
        seen.append((step, int(timestep), given["latents"].shape))
        return {}

    kept = pipeline(picture, sound, "a drum", generator=seeded(5), output_type="pt", callback_on_step_end=note)
    assert torch.equal(kept.frames, video)
    assert [step for step, _, _ in seen] == list(range(len(pipeline.scheduler.timesteps)))
    assert seen[0][1:] == (int(pipeline.scheduler.timesteps[0]), (1, 48, 3, 4, 6))
    stilled = pipeline(
        picture,
        sound,
        output_type="pt",
        callback_on_step_end=lambda *given: {"latents": torch.zeros_like(given[3]["latents"])},
    ).frames
    assert torch.allclose(stilled[0, 1:], torch.full_like(stilled[0, 1:], 0.5), atol=0.01)
    with pytest.raises(ConfigurationError, match="can only name 'latents'"):
        pipeline(picture, sound, callback_on_step_end_tensor_inputs=["noise"])


SCHEDULERS = [
    "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
    "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
]  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_any_scheduler_of_diffusers_and_the_same_seed_the_same_video(pipeline, picture, sound, name):
    before = pipeline.scheduler
    pipeline.use_scheduler(name)
    try:
        assert pipeline.scheduler.config.prediction_type == "v_prediction"
        assert isinstance(pipeline.scheduler, getattr(diffusers, name))
        videos = [
            pipeline([picture] * 2, sound, generator=[seeded(5), seeded(seed)], output_type="pt").frames
            for seed in (6, 6, 7)
        ]
        assert torch.equal(videos[0], videos[1])
        torch.testing.assert_close(videos[2][0], videos[0][0], atol=1e-4, rtol=0)
        assert (videos[2][1] - videos[0][1]).abs().max() > 1e-3
        assert videos[0].isfinite().all()
    finally:
        pipeline.scheduler = before


def test_an_unknown_scheduler_or_output_is_refused(pipeline, picture, sound):
    with pytest.raises(ConfigurationError, match="diffusers has no scheduler 'Nothing'"):
        pipeline.use_scheduler("Nothing")
    with pytest.raises(ConfigurationError, match="output_type must be 'pil', 'np', 'pt' or 'latent', not 'gif'"):
        pipeline(picture, sound, output_type="gif")


BAD_PICTURES = {
    "four": (torch.zeros(4, 16, 24), r"must be \(3, h, w\) .* not \(4, 16, 24\)"),
    "grey": (np.zeros((16, 24), np.uint8), r"not \(16, 24\)"),
    "range": (torch.full((3, 16, 24), 2.0), r"must lie in \[0, 1\]"),
    "nan": (torch.full((3, 16, 24), torch.nan), r"must lie in \[0, 1\]"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_pictures_of_wrong_shape_or_range_are_refused(pipeline, sound, name):
    image, message = BAD_PICTURES[name]
    with pytest.raises(ConfigurationError, match=message):
        pipeline(image, sound)


def test_sounds_of_wrong_shape_and_negative_guidance_are_refused(pipeline, picture, sound):
    for wrong in (torch.zeros(2, 8000), torch.zeros(0), torch.full((8000,), torch.nan)):
        with pytest.raises(ConfigurationError, match=r"A sound must be \(samples,\), mono, finite and not empty"):
            pipeline(picture, wrong)
    with pytest.raises(ConfigurationError, match="Guidance by audio cannot be negative"):
        pipeline(picture, sound, audio_guidance_scale=-1)


def test_size_must_divide_by_the_codecs_factor(pipeline, picture, sound):
    with pytest.raises(ConfigurationError, match="18x24 px does not divide by the codec's factor 4"):
        pipeline(picture, sound, height=18, width=24)


def test_slicing_the_autoencoder_changes_nothing_but_memory(stable_diffusion, pipeline, picture, sound, caplog):
    from asva_lightning.encoders import AutoencoderCodec

    codec = AutoencoderCodec(str(stable_diffusion))
    latents = torch.randn(1, codec.channels, 4, 2, 2, generator=seeded(0))
    sizes = []
    codec.component.decoder.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    whole, pipeline_vae = codec.decode(latents), pipeline.vae
    try:
        pipeline.vae = codec.component
        pipeline.enable_vae_slicing()
        torch.testing.assert_close(codec.decode(latents), whole, atol=1e-5, rtol=0)
        assert sizes == [4, 1, 1, 1, 1]
        pipeline.disable_vae_slicing()
    finally:
        pipeline.vae = pipeline_vae
    pipeline.enable_vae_tiling()
    assert "PixelCodec has no enable_tiling, and goes on as it is." in caplog.text


def test_guidance_by_what_the_network_lacks_is_said_once(pipeline, small, picture, sound, caplog):
    for warn in (warnings._warn_that_sound_does_not_guide, warnings._warn_that_text_does_not_guide):
        warn.cache_clear()
    unet = pipeline.unet
    config = small.config | {"in_channels": unet.config.in_channels, "out_channels": unet.config.out_channels}
    without = AVSyncUNet(**config, anatomy={"audio": False, "text": False}).eval()
    known = pipeline.components | {"unet": without}
    bare = AnimationPipeline(**known, clip=asdict(pipeline.format), steps=2, guidance={"audio": 1.0})
    with caplog.at_level(logging.WARNING, logger="asva_lightning"):
        bare(picture, sound, output_type="latent")
        assert not caplog.records
        for _ in range(2):
            bare(picture, sound, audio_guidance_scale=4.0, text_guidance_scale=3.0, output_type="latent")
    assert [record.message for record in caplog.records] == [
        "Guidance by audio and by sync has no effect: this model hears nothing (its anatomy has no audio layers).",
        "Guidance by text has no effect: this model reads nothing (its anatomy has no text layers).",
    ]


@pytest.mark.parametrize("output_type", ["pil", "np", "pt", "latent"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_sample_that_is_no_number_is_refused(pipeline, picture, sound, output_type, value):
    def spoil(pipe, step, timestep, given):
        given["latents"][1, 0, 0, 0, 0] = value
        return given

    with pytest.raises(WeightsError) as caught:
        pipeline([picture] * 2, sound, output_type=output_type, callback_on_step_end=spoil)
    assert str(caught.value) == (
        "Video 2 of 2: the sample holds values that are no finite numbers. The training has diverged, the weights are "
        "damaged, or their type is too narrow: take an earlier checkpoint, or sample in float32."
    )


@pytest.mark.parametrize("output_type", ["pil", "np", "pt"])
def test_a_decoder_that_overflows_is_noticed(pipeline, picture, sound, output_type, monkeypatch):
    freed = []
    monkeypatch.setattr(PixelCodec, "decode", lambda self, latents: latents.new_full((1, 3, 4, 16, 24), torch.inf))
    monkeypatch.setattr(pipeline, "maybe_free_model_hooks", lambda: freed.append(True), raising=False)
    with pytest.raises(WeightsError, match="Video 1 of 1: the sample holds values that are no finite numbers"):
        pipeline(picture, sound, output_type=output_type)
    assert freed == [True]  # networks that wait elsewhere go back there all the same
    assert pipeline(picture, sound, output_type="latent").frames.isfinite().all()
