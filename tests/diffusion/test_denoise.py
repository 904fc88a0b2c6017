"""The walk from noise to latents, against the original's numbers and against loops written out here."""

from collections import Counter

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
)

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import Guidance, denoise
from asva_lightning.diffusion.guidance import Pass
from asva_lightning.encoders import Conditions

SCHEDULE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def pndm():
    return PNDMScheduler(**SCHEDULE, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False)


def ddim():
    return DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1)


def test_sampling_equals_the_reference(reference):
    given = reference("sampling_pndm_audio4").tensors
    original = reference("unet_small", "unet")
    unet = AVSyncUNet.from_original(original.facts["config"], original.weights)
    conditions = Conditions(given["text"], given["audio"], given["audio_mask"])
    null = Conditions(given["null_text"], given["null_audio"], given["audio_mask"])
    guidance = Guidance(audio=4.0, text=1.0)
    output = denoise(unet, given["image_latents"], given["noise"], conditions, null, pndm(), 10, guidance)
    assert (output - given["output"]).abs().max() <= 2e-3 * given["output"].std()
    assert torch.equal(output[:, :, 0], given["image_latents"])


@pytest.fixture
def inputs(small):
    """Image latents, noise, conditions and null conditions of two clips of four frames."""
    conditions = small.conditions()
    null = Conditions(torch.randn(1, *conditions.text.shape[1:]), torch.randn(1, *conditions.audio.shape[1:]))
    return small.sample(frames=1, seed=1)[:, :, 0], small.sample(frames=3, seed=2), conditions, null


@torch.no_grad()
def by_hand(unet, image, noise, scheduler, steps, predict):
    """The plain loop: one network call a pass, nothing prepared, nothing stacked."""
    scheduler.set_timesteps(steps)
    rest = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        sample = torch.cat([image[:, :, None], scheduler.scale_model_input(rest, timestep)], dim=2)
        prediction = predict(lambda told: unet(sample, timestep.expand(len(sample)), told))  # noqa: B023
        rest = scheduler.step(prediction[:, :, 1:], timestep, rest).prev_sample
    return torch.cat([image[:, :, None], rest], dim=2)


def three_passes(e, full, text, none):
    return e(none) + 3 * (e(text) - e(none)) + 4 * (e(full) - e(text))


@pytest.mark.parametrize("scheduler", [pndm, ddim])
def test_guidance_by_text_and_audio_equals_three_passes(small, inputs, scheduler):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    mask = conditions.audio_mask
    no_sound = null.audio.expand(2, -1, -1)
    text = Conditions(conditions.text, no_sound, mask)
    none = Conditions(null.text.expand(2, -1, -1), no_sound, mask)
    expected = by_hand(unet, image, noise, scheduler(), 4, lambda e: three_passes(e, conditions, text, none))
    output = denoise(unet, image, noise, conditions, null, scheduler(), 4, Guidance(audio=4, text=3))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


def test_sync_guidance_equals_passes_with_and_without_the_audio_layers(small, inputs):
    unet, (image, noise, conditions, null) = small.unet(), inputs

    def predict(e):
        return e(conditions) + 2 * (e(conditions) - e(conditions.without_audio()))

    expected = by_hand(unet, image, noise, ddim(), 4, predict)
    output = denoise(unet, image, noise, conditions, null, ddim(), 4, Guidance(audio=1, sync=2))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


def test_conditions_without_audio_skip_the_audio_layers(small, inputs):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    silent = conditions.without_audio()
    expected = by_hand(unet, image, noise, ddim(), 3, lambda e: e(silent))
    for nothing in (null, null.without_audio()):
        output = denoise(unet, image, noise, silent, nothing, ddim(), 3, Guidance(audio=4))
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


def test_every_clip_keeps_its_own_windows(small, inputs):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    masks = torch.stack([conditions.audio_mask, conditions.audio_mask.flip(1)])
    together = Conditions(conditions.text, conditions.audio, masks)
    output = denoise(unet, image, noise, together, null, ddim(), 3, Guidance(audio=4))
    for clip in range(2):
        one = slice(clip, clip + 1)
        alone = Conditions(conditions.text[one], conditions.audio[one], masks[one])
        single = denoise(unet, image[one], noise[one], alone, null, ddim(), 3, Guidance(audio=4))
        torch.testing.assert_close(output[one], single, rtol=0, atol=1e-4)


def test_a_network_in_half_precision_walks_in_the_precision_of_the_noise(small, inputs):
    image, noise, conditions, null = inputs
    output = denoise(small.unet().bfloat16(), image, noise, conditions, null, ddim(), 3, Guidance(sync=1))
    exact = denoise(small.unet(), image, noise, conditions, null, ddim(), 3, Guidance(sync=1))
    assert output.dtype == torch.float32
    assert torch.equal(output[:, :, 0], image)
    assert (output - exact).abs().mean() < 0.1 * exact.std()


SCHEDULERS = [DDIMScheduler, EulerDiscreteScheduler, DPMSolverMultistepScheduler, PNDMScheduler]
TYPES = ["epsilon", "v_prediction", "sample"]
PAIRS = [(kind, of) for kind in SCHEDULERS for of in TYPES if (kind, of) != (PNDMScheduler, "sample")]


@pytest.mark.parametrize(("kind", "prediction_type"), PAIRS)
def test_schedulers_of_diffusers_leave_the_first_frame_alone(small, inputs, kind, prediction_type):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    scheduler = kind(**SCHEDULE, prediction_type=prediction_type)
    output = denoise(unet, image, noise, conditions, null, scheduler, 5, Guidance(audio=2))
    assert output.shape == (2, 4, 4, 8, 8)
    assert output.isfinite().all()
    assert torch.equal(output[:, :, 0], image)
    assert (output[:, :, 1:] - noise).abs().max() > 0.1


def test_every_step_is_reported_and_may_be_replaced(small, inputs):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    seen, scheduler = [], ddim()
    output = denoise(
        unet, image, noise, conditions, null, scheduler, 3, Guidance(), on_step=lambda *step: seen.append(step)
    )
    assert [number for number, _, _ in seen] == [0, 1, 2]
    assert [int(timestep) for _, timestep, _ in seen] == scheduler.timesteps.tolist()
    assert torch.equal(seen[-1][2], output[:, :, 1:])
    assert not torch.equal(seen[0][2], seen[1][2])
    zeros = torch.zeros_like(noise)
    assert torch.equal(
        denoise(unet, image, noise, conditions, null, ddim(), 3, Guidance(), on_step=lambda *_: zeros)[:, :, 1:], zeros
    )


@pytest.mark.parametrize("scheduler", [ddim, pndm, lambda: EulerDiscreteScheduler(**SCHEDULE)])
def test_known_frames_are_held_and_seen_by_the_others(small, inputs, scheduler):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    known = torch.randn(2, 4, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    samples, made = [], scheduler()
    unet.register_forward_pre_hook(lambda _, given: samples.append(given[0][:2]))
    held = denoise(unet, image, noise, conditions, null, made, 4, Guidance(), known=known)
    assert torch.equal(held[:, :, 1:3], known)
    last = made.timesteps[-1:]
    noised = made.scale_model_input(made.add_noise(known, noise[:, :, :2], last), last[0])
    torch.testing.assert_close(samples[-1][:, :, 1:3], noised, atol=5e-3, rtol=0)
    free = denoise(unet, image, noise, conditions, null, scheduler(), 4, Guidance())
    assert (held[:, :, 3:] - free[:, :, 3:]).abs().max() > 1e-3


def test_watched_passes_are_evaluated_beside_those_of_guidance(small, inputs):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    seen = []
    silent, full = Pass(text=True, audio=False), Pass(text=True, audio=True)
    watched = denoise(
        unet, image, noise, conditions, null, ddim(), 3, Guidance(audio=1), watch=seen.append, watched=[silent]
    )
    assert [set(predictions) for predictions in seen] == [{full, silent}] * 3
    start = torch.cat([image[:, :, None], noise], dim=2)
    told = Conditions(conditions.text, null.audio.expand(2, -1, -1), conditions.audio_mask)
    torch.testing.assert_close(seen[0][silent], unet(start, ddim_first(), told), atol=1e-4, rtol=0)
    plain = denoise(unet, image, noise, conditions, null, ddim(), 3, Guidance(audio=1))
    torch.testing.assert_close(watched, plain, atol=1e-4, rtol=0)


def ddim_first():
    scheduler = ddim()
    scheduler.set_timesteps(3)
    return scheduler.timesteps[:1]


@pytest.mark.parametrize(
    ("guidance", "of_text", "of_audio"),
    [(Guidance(), 1, 1), (Guidance(audio=4, text=3), 1, 1), (Guidance(sync=2), 2, 1), (Guidance(audio=1), 1, 1)],
    ids=["default", "three passes", "sync", "off"],
)
def test_keys_and_values_of_text_and_sound_are_made_once(small, inputs, guidance, of_text, of_audio):
    unet, (image, noise, conditions, null) = small.unet(), inputs
    calls = Counter()
    for name, module in unet.named_modules():
        if name.endswith((".to_k", ".to_v")):
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    steps = 3
    denoise(unet, image, noise, conditions, null, ddim(), steps, guidance)
    groups = of_text  # passes that skip the audio layers run apart
    expected = {"attn1": groups * steps, "attn_temp": groups * steps, "attn2": of_text, "attn_audio": of_audio}
    blocks = 4  # down, middle, and two on the way up
    assert len(calls) == blocks * len(expected) * 2
    for name, count in calls.items():
        assert count == expected[name.split(".")[-2]], name
