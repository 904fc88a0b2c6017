"""Half precision leaves levels, noise and the mean of validation as they are; NaN of one clip is seen."""

import json
import math

import numpy as np
import pytest
import torch
from runs_for_tests import fit

from asva_lightning.data.randomness import Purpose, numpy_generator, torch_generator
from asva_lightning.diffusion import Objective
from asva_lightning.training.task import AnimationTask

ALONE = ("--trainer.callbacks=null", "--trainer.max_steps=1", "--run.validate_every=1")


def validation_loss(run) -> float:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return next(float(row["validation/loss"]) for row in rows if "validation/loss" in row)


def losses(clips, value, diverged=None):
    """A loss of each clip, NaN of one."""
    values = torch.full((clips,), value, dtype=torch.float32)
    if diverged is not None:
        values[diverged] = math.nan
    return values.requires_grad_()


@pytest.fixture
def noised(monkeypatch):
    """What every clip was noised with: whether the batch was trained on, the levels, and the noise."""
    given, objective, trained = [], Objective.add_noise, []
    loss = AnimationTask._loss

    def told(self, *arguments):
        trained.append(self.training)
        return loss(self, *arguments)

    def recorded(self, latents, noise, timestep):
        given.append((trained[-1], timestep.tolist(), noise))
        return objective(self, latents, noise, timestep)

    monkeypatch.setattr(AnimationTask, "_loss", told)
    monkeypatch.setattr(Objective, "add_noise", recorded)
    return given


def test_levels_and_noise_are_drawn_in_full_whatever_the_type_of_the_weights(synth_shards, tmp_path, noised):
    """With this seed a level of the first batch would be 1000 of 0 to 999, if it were rounded to bf16."""
    seed = 3632
    fit(synth_shards, tmp_path, *ALONE, "--trainer.precision=bf16-true", f"--model.init_args.seed={seed}")
    _, levels, noise = next(one for one in noised if one[0])
    draws = [np.float32(numpy_generator(seed, Purpose.TRAINING, position).random()) for position in range(4)]
    assert levels == [int(draw * np.float32(1000)) for draw in draws]
    alone = torch.randn(noise.shape[1:], generator=torch_generator(seed, Purpose.TRAINING, 3), dtype=torch.float32)
    assert torch.equal(noise[3], alone)


def test_a_draw_that_is_rounded_to_one_is_the_last_level(synth_shards, tmp_path, noised, monkeypatch):
    monkeypatch.setattr(AnimationTask, "_draws", lambda self, position: [math.nextafter(1, 0), 0.5, 0.5])
    fit(synth_shards, tmp_path, *ALONE)
    assert next(levels for trained, levels, _ in noised if trained) == [999] * 4


def test_the_mean_of_validation_is_counted_in_float32(synth_shards, tmp_path, monkeypatch):
    """In bf16 a sum of 256 stays what it is, however many clips are added to it."""
    step = AnimationTask._evaluate

    def often(self, batch, name):
        for _ in range(150):
            self.validation_loss.update(torch.full((4,), 0.3, dtype=torch.float32))
        step(self, batch, name)

    monkeypatch.setattr(AnimationTask, "_evaluate", often)
    monkeypatch.setattr(AnimationTask, "_loss", lambda self, latents, *_: losses(len(latents), 0.3))
    run = fit(synth_shards, tmp_path, *ALONE, "--trainer.precision=bf16-true")
    assert validation_loss(run) == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize(("diverged", "expected"), [("real", math.nan), ("repeated", 0.25)])
def test_nan_of_one_clip_is_seen_but_not_that_of_a_repeat(synth_shards, tmp_path, monkeypatch, diverged, expected):
    evaluate = AnimationTask._evaluate

    def with_a_repeat(self, batch, name):
        evaluate(self, batch.but(real=torch.arange(len(batch)) > 0), name)

    def loss(self, latents, *_):
        clip = 0 if diverged == "repeated" else len(latents) - 1
        return losses(len(latents), 0.25, clip if not self.training else None)

    monkeypatch.setattr(AnimationTask, "_evaluate", with_a_repeat)
    monkeypatch.setattr(AnimationTask, "_loss", loss)
    met = validation_loss(fit(synth_shards, tmp_path, *ALONE))
    assert met == pytest.approx(expected, nan_ok=True)
