"""Ordinary mistakes in settings and configuration files: one error each, and nothing left behind."""

import pytest
import yaml
from runs_for_tests import RECIPE, TINY, words

from asva_lightning.cli import main
from asva_lightning.errors import ConfigurationError
from asva_lightning.training.optimizer_check import check_optimizer

OPTIMIZER = "--model.init_args.optimizer.init_args"


def failure(capsys, arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code not in (0, None)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("--trainer.devices=0", "--trainer: `Trainer(devices='0')` value is not a valid input"),
        ("--trainer.max_time=foo", "--trainer: `Timer(duration='foo')` is not a valid duration"),
        ("--trainer.strategy=foo", "--trainer: You selected an invalid strategy name: `strategy='foo'`"),
        ("--trainer.profiler=foo", "--trainer: When passing string value for the `profiler`"),
        ("--trainer.barebones=true", "--trainer.barebones allows no loggers, checkpoints or progress"),
        ("--trainer.overfit_batches=1", "the stream of clips never repeats. To train on a few clips"),
        ("--trainer.accumulate_grad_batches=0", "--trainer.accumulate_grad_batches must be at least 1, not 0"),
        ("--trainer.gradient_clip_val=-1", "--trainer.gradient_clip_val must be at least 0, not -1"),
        ("--seed_everything=-1", "--seed_everything: -1 is not in bounds"),
        (f"{OPTIMIZER}.lr=-1", "model.optimizer cannot be made: Invalid learning rate: -1.0"),
        (f"{OPTIMIZER}.betas=[2,0.9]", "model.optimizer cannot be made: Invalid beta parameter at index 0"),
    ],
)
def test_values_that_cannot_work_are_one_error(synth_shards, tmp_path, capsys, setting, message):
    assert message in failure(capsys, words("fit", synth_shards, tmp_path, setting, "--trainer.callbacks=null"))
    assert not list(tmp_path.iterdir()), "a mistake leaves nothing behind"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("--trainer.overfit_batches=1", "the stream of clips never repeats"),
        ("--trainer.barebones=true", "--trainer.barebones allows no loggers"),
        (f"{OPTIMIZER}.lr=-1", "model.optimizer cannot be made: Invalid learning rate: -1.0"),
    ],
)
def test_doctor_tells_what_fit_would_refuse(synth_shards, tmp_path, capsys, setting, message):
    with pytest.raises(SystemExit) as stop:
        main(words("doctor", synth_shards, tmp_path, setting))
    assert stop.value.code == 1
    assert message in capsys.readouterr().out


def test_a_sweep_does_not_begin_with_an_optimizer_that_cannot_be_made(synth_shards, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {
        "base": [str(RECIPE), str(TINY)],
        "differences": {"a": {}, "b": {"model.init_args.optimizer.init_args.lr": -1}},
        "seeds": [0],
        "settings": {"data.shards": str(synth_shards)},
    }
    (tmp_path / "rates.yaml").write_text(yaml.safe_dump(content))
    assert "row b, seed 0: model.optimizer cannot be made: Invalid learning rate: -1.0" in failure(
        capsys, ["sweep", "rates.yaml"]
    )
    assert not (tmp_path / "runs").exists()


def test_a_schedule_that_refuses_its_settings_is_told():
    import torch

    with pytest.raises(ConfigurationError, match=r"model\.learning_rate_schedule cannot be made: .*step"):
        check_optimizer(None, lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=-1))
    check_optimizer(None, None)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--model.init_args.sampling.guidance.audi=3", "guidance.audi=3"),
        ("--trainer.max_step=3", "--trainer.max_step=3"),
        ("--model.init_args.audio_dro=0.3", "'audio_dro' is not accepted"),
    ],
)
def test_a_part_of_a_name_is_no_name(synth_shards, tmp_path, capsys, word, message):
    assert message in failure(capsys, words("fit", synth_shards, tmp_path, word))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "wrong.yaml is empty, where a configuration has keys such as trainer, model, data and run"),
        (b"- a\n- b\n", "wrong.yaml holds a list, where a configuration has keys"),
        (b"model:\n  init_args: [\n    a: b: c\n", "wrong.yaml: line 3: "),
        (b"\xb4\x00\xff", "wrong.yaml: this is no text file"),
        (b"data:\n  \x00", "wrong.yaml: this is no text file"),
        (b"data:\n  flip: 0\n  batch_size: 4\n  flip: 1\n", "wrong.yaml: line 4: 'flip' is given twice"),
    ],
)
def test_a_configuration_file_that_is_none_is_named(tmp_path, capsys, content, message):
    (tmp_path / "wrong.yaml").write_bytes(content)
    assert message in failure(capsys, ["fit", f"--config={RECIPE}", "--config", str(tmp_path / "wrong.yaml")])


def test_an_overlay_before_its_recipe_gives_a_hint(capsys):
    error = failure(capsys, ["fit", f"--config={TINY}", f"--config={RECIPE}"])
    assert "is not accepted. Is a file missing that names the class? Give the recipe first" in error
    error = failure(capsys, ["fit", f"--config={RECIPE}", "--data.batchsize=3"])
    assert "Give the recipe first" not in error


def test_settings_in_a_long_word_are_no_file(capsys):
    long = '{"run":{"name":"' + "a" * 300 + '"}}'
    with pytest.raises(SystemExit) as stop:
        main(["fit", f"--config={RECIPE}", f"--config={long}", "--print_config"])
    assert not stop.value.code
    assert "a" * 300 in capsys.readouterr().out
