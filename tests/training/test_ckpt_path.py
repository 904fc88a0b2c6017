"""--ckpt_path: what it may be, and what is said of all the rest."""

import pytest
import torch
from runs_for_tests import checkpoint, fit, only_run, words

from asva_lightning.cli import main

OTHER = "--model.init_args.denoiser.init_args.block_out_channels=[32,32]"


@pytest.fixture(scope="module")
def run(synth_shards, tmp_path_factory):
    return fit(synth_shards, tmp_path_factory.mktemp("given"), "--trainer.callbacks=null")


@pytest.fixture
def bad(run, tmp_path):
    """Files and folders that cannot be loaded, by name."""
    whole = run / "checkpoints" / "step_000002.ckpt"
    (tmp_path / "cut").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "text").write_text("not a checkpoint\n")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "foreign")
    torch.save({"state_dict": 5}, tmp_path / "number")
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    stored = checkpoint(run, 2)
    torch.save({"state_dict": stored["state_dict"]}, tmp_path / "bare")
    kept = ("state_dict", "pytorch-lightning_version", "global_step")
    torch.save({key: stored[key] for key in kept}, tmp_path / "weights")
    stored["state_dict"]["denoiser.conv_in.bias"][0] = torch.nan
    torch.save(stored, tmp_path / "nan")
    stored = checkpoint(run, 2)
    stored["average"]["parameters"]["denoiser.conv_in.bias"][0] = torch.nan
    torch.save(stored, tmp_path / "average")
    return tmp_path


def failure(capsys, arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "/missing does not exist. Give a run folder, or a checkpoint in one, such as runs/NAME/checkp"),
        ("cut", "/cut cannot be read; it is damaged or was not copied whole"),
        ("text", "/text cannot be read; it is damaged or was not copied whole"),
        ("foreign", "/foreign is no checkpoint of `fit`: it holds no state_dict"),
        ("number", "/number is no checkpoint of `fit`: it holds no state_dict"),
        ("empty", "/empty has no checkpoint yet. Run `fit` until it has saved one"),
        ("nan", "/nan: tensor denoiser.conv_in.bias holds 1 values that are NaN or infinite"),
        ("average", "/average: tensor denoiser.conv_in.bias holds 1 values that are NaN or infinite"),
    ],
)
def test_what_cannot_be_loaded_is_one_error(bad, synth_shards, capsys, name, message):
    given = words("fit", synth_shards, bad / "runs", f"--ckpt_path={bad / name}", "--trainer.callbacks=null")
    assert message in failure(capsys, given)
    assert not list((bad / "runs").glob("*")), "a mistake leaves nothing behind"


def test_names_of_lightning_mean_nothing_here(synth_shards, tmp_path, capsys):
    error = failure(capsys, words("test", synth_shards, tmp_path, "--ckpt_path=best", "--trainer.callbacks=null"))
    assert "--ckpt_path best does not exist" in error


def test_weights_alone_can_be_tested_but_not_continued(bad, synth_shards, capsys):
    given = (bad / "runs", f"--ckpt_path={bad / 'weights'}", "--trainer.callbacks=null")
    error = failure(capsys, words("fit", synth_shards, *given))
    assert f"give --model.init_args.init_from={bad / 'weights'} in place of --ckpt_path" in error
    main(words("test", synth_shards, *given))
    error = failure(capsys, words("test", synth_shards, bad / "runs", f"--ckpt_path={bad / 'bare'}"))
    assert "holds weights without what `fit` saves beside them (pytorch-lightning_version). Give a checkpoint" in error


def test_a_checkpoint_of_other_networks_names_the_tensor(run, synth_shards, tmp_path, capsys):
    given = words("test", synth_shards, tmp_path, f"--ckpt_path={run}", OTHER, "--trainer.callbacks=null")
    assert (
        "step_000002.ckpt does not fit this configuration: see tensor denoiser.conv_in.bias, (16,) in the checkpoint "
        "and (32,) in the networks"
    ) in failure(capsys, given)


def test_a_run_folder_stands_for_its_newest_checkpoint(run, synth_shards, tmp_path, caplog):
    other = fit(synth_shards, tmp_path, f"--ckpt_path={run}", "--trainer.max_steps=3", "--trainer.callbacks=null")
    assert f"Continuing from {run / 'checkpoints' / 'step_000002.ckpt'}" in caplog.text
    assert checkpoint(other, 3)["global_step"] == 3


def test_a_run_that_is_asked_for_fewer_steps_than_it_has_is_finished(run, synth_shards, caplog):
    main(words("fit", synth_shards, run.parent, "--trainer.callbacks=null", "--trainer.max_steps=1"))
    assert "This run is finished: it is at step 2, and --trainer.max_steps is 1. Watch it in" in caplog.text


def test_a_job_that_is_queued_again_does_not_go_back_again(run, synth_shards, tmp_path, monkeypatch, caplog):
    first = ("--run.save_every=1", "--trainer.callbacks=null", f"--ckpt_path={run}")
    main(words("fit", synth_shards, tmp_path, *first, "--trainer.max_steps=3"))
    again = words("fit", synth_shards, tmp_path, *first, "--trainer.max_steps=4")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with caplog.at_level("INFO"):
        main(again)
    own = only_run(tmp_path) / "checkpoints"
    assert "it goes on from what it has saved, not from --ckpt_path again" in caplog.text
    assert f"Continuing from {own / 'step_000003.ckpt'}" in caplog.text
    assert not list(own.glob("aside*"))
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    main(again)
    assert sorted(path.name for path in own.glob("aside*")) == ["aside_step_000003.ckpt", "aside_step_000004.ckpt"]
