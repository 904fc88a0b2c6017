"""The folder of a run: chosen, filled, found again."""

import logging
import subprocess

import pytest
import torch
import yaml

from asva_lightning.errors import ConfigurationError, RunError
from asva_lightning.runs.folder import RunFolder, open_run
from asva_lightning.runs.identity import run_hash
from asva_lightning.runs.provenance import describe_code, describe_command

CONFIG = {"seed_everything": 0, "model": {"learning_rate": 0.1, "betas": (0.9, 0.99)}, "trainer": {"max_steps": 10}}


@pytest.fixture(autouse=True)
def _outside_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)


def test_a_new_run_gets_a_folder_that_explains_itself(tmp_path):
    run = open_run(tmp_path / "runs", "first", CONFIG)
    assert run.path == tmp_path / "runs" / f"first-{run_hash(CONFIG)}"
    assert yaml.safe_load(run.config.read_text())["model"] == {"learning_rate": 0.1, "betas": [0.9, 0.99]}
    assert f"\n{describe_command()}\n" in run.command.read_text()
    assert "asva-lightning 0" in run.code.read_text()
    assert f"torch=={torch.__version__}" in run.environment.read_text()
    assert sorted(file.name for file in run.path.iterdir()) == [
        "code.txt", "command.txt", "config.yaml", "environment.txt",
    ]  # fmt: skip


def test_the_same_command_finds_the_folder_again(tmp_path, caplog):
    first = open_run(tmp_path, "first", CONFIG)
    (first.path / "precious").write_text("kept")
    longer = {**CONFIG, "trainer": {"max_steps": 20}}
    assert open_run(tmp_path, "first", longer) == first
    assert (first.path / "precious").read_text() == "kept"
    assert yaml.safe_load(first.config.read_text())["trainer"] == {"max_steps": 20}
    assert first.command.read_text().count("# start of") == 2
    assert first.environment.read_text().count("# start of") == 1
    assert not caplog.records


def test_a_fresh_start_leaves_the_others_alone_and_becomes_the_newest(tmp_path):
    first = open_run(tmp_path, "first", CONFIG, fresh=True)
    second = open_run(tmp_path, "first", CONFIG, fresh=True)
    third = open_run(tmp_path, "first", CONFIG, fresh=True)
    assert [run.path.name for run in (second, third)] == [f"{first.path.name}-2", f"{first.path.name}-3"]
    assert open_run(tmp_path, "first", CONFIG) == third
    assert first.config.exists()


def test_a_requeued_job_continues_its_fresh_run(tmp_path, monkeypatch):
    open_run(tmp_path, "first", CONFIG)
    second = open_run(tmp_path, "first", CONFIG, fresh=True)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert open_run(tmp_path, "first", CONFIG, fresh=True) == second


def test_the_nearest_run_and_the_keys_that_differ_are_named(tmp_path, caplog):
    near = open_run(tmp_path, "first", {**CONFIG, "seed_everything": 1})
    open_run(tmp_path, "first", {"seed_everything": 2})
    open_run(tmp_path, "first-other", CONFIG)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        open_run(tmp_path, "first", CONFIG)
    (record,) = caplog.records
    assert f"The nearest, {near.path.name}, differs in:\n  seed_everything: 1 there, 0 here\n" in record.message
    assert f"--run.folder={near.path}" in record.message


def test_a_folder_given_by_hand_is_taken_with_a_word_on_what_changed(tmp_path, caplog):
    run = open_run(tmp_path, "first", CONFIG, folder=tmp_path / "mine")
    assert run.path == tmp_path / "mine"
    open_run(tmp_path, "first", {**CONFIG, "seed_everything": 5}, folder=tmp_path / "mine")
    assert "mine was begun with another configuration:\n  seed_everything: 0 there, 5 here" in caplog.text


def test_a_start_that_cannot_hold_the_folder_changes_nothing_in_it(tmp_path, caplog):
    def refuse(run):
        assert run.path.parent == tmp_path
        raise RunError("somebody is here")

    run = open_run(tmp_path, "first", CONFIG)
    before = {path.name: path.read_text() for path in run.path.iterdir()}
    other = {**CONFIG, "seed_everything": 5}
    with pytest.raises(RunError, match="somebody is here"):
        open_run(tmp_path, "first", other, folder=run.path, hold=refuse)
    with pytest.raises(RunError, match="somebody is here"):
        open_run(tmp_path, "first", other, hold=refuse)
    assert {path.name: path.read_text() for path in run.path.iterdir()} == before
    assert not caplog.records, "what is refused needs no word on what would have changed"


def test_other_ranks_write_nothing(tmp_path):
    chosen = open_run(tmp_path / "runs", "first", CONFIG, writes=False)
    assert not (tmp_path / "runs").exists()
    assert open_run(tmp_path / "runs", "first", CONFIG) == chosen
    with pytest.raises(RunError, match="Give the others the one it chose"):
        open_run(tmp_path / "runs", "first", CONFIG, fresh=True, writes=False)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "-x"])
def test_a_name_that_is_no_folder_name_is_refused(name, tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot name a run\. Use letters.*--run\.name"):
        open_run(tmp_path, name, CONFIG)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(RunError, match=r"mine is a file\. Give a folder in --run\.folder"):
        open_run(tmp_path, "first", CONFIG, folder=tmp_path / "mine")


def test_the_latest_complete_checkpoint_is_found(tmp_path, caplog):
    run = RunFolder(tmp_path)
    assert run.latest_checkpoint() is None
    run.checkpoints.mkdir()
    for step in (900, 1000000):
        torch.save({"weight": torch.zeros(100)}, run.checkpoint(step))
    assert run.checkpoint(900).name == "step_000900.ckpt"
    assert run.latest_checkpoint() == run.checkpoint(1000000)
    torn = run.checkpoint(1000001)
    torn.write_bytes(run.checkpoint(900).read_bytes()[:-50])
    (run.checkpoints / ".step_2000000.ckpt.tmp").write_bytes(run.checkpoint(900).read_bytes())
    (run.checkpoints / "step_2000000.ckpt.tmp").write_bytes(run.checkpoint(900).read_bytes())
    (run.checkpoints / "last.ckpt").write_bytes(run.checkpoint(900).read_bytes())
    assert run.latest_checkpoint() == run.checkpoint(1000000)
    assert "step_1000001.ckpt is unfinished" in caplog.text


def test_checkpoints_behind_a_step_are_set_aside_and_none_is_lost(tmp_path):
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    for step in (4000, 5000, 1_000_000):
        torch.save({"step": step}, run.checkpoint(step))
    assert [step for step, _ in run.numbered_checkpoints()] == [4000, 5000, 1_000_000]
    aside = [path.name for path in run.set_aside(later_than=4000)]
    assert aside == ["aside_step_005000.ckpt", "aside_step_1000000.ckpt"]
    assert run.latest_checkpoint() == run.checkpoint(4000)
    torch.save({"step": 5000}, run.checkpoint(5000))
    assert [path.name for path in run.set_aside(later_than=4000)] == ["aside2_step_005000.ckpt"]
    assert (run.checkpoints / "aside_step_005000.ckpt").exists()
    assert run.set_aside(later_than=4000) == []


def test_a_deepspeed_checkpoint_is_complete_when_it_says_what_is_latest(tmp_path):
    run = RunFolder(tmp_path)
    torch_file = run.checkpoint(1)
    run.checkpoints.mkdir()
    torch.save({}, torch_file)
    folder = run.checkpoint(2)
    (folder / "checkpoint").mkdir(parents=True)
    assert run.latest_checkpoint() == torch_file
    (folder / "latest").write_text("checkpoint\n")
    assert run.latest_checkpoint() == folder
    (folder / "latest").write_text("elsewhere")
    assert run.latest_checkpoint() == torch_file


def test_the_code_of_a_checkout_is_described_with_its_changes(tmp_path):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("a = 1\n")
    git("init", "-q")
    assert describe_code(package).endswith("not a git checkout\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tmp_path, text=True).strip()
    assert f"commit {commit}\nno uncommitted changes\n" in describe_code(package)
    (package / "__init__.py").write_text("a = 2\n")
    assert "-a = 1\n+a = 2\n" in describe_code(package)
