"""fit, validate, test, predict: configuration, folders, resume, and what is refused."""

import json

import pytest
import yaml
from runs_for_tests import RECIPE, TINY, checkpoint, fit, only_run, words

from asva_lightning.cli import main
from asva_lightning.media import probe


def printed_config(capsys, *arguments) -> dict:
    with pytest.raises(SystemExit) as stop:
        main(["fit", f"--config={RECIPE}", *arguments, "--print_config"])
    assert not stop.value.code
    return yaml.safe_load(capsys.readouterr().out)


def failure(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code not in (0, None)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


def test_an_interpolation_that_names_nothing_is_one_line(capsys, tmp_path):
    overlay = tmp_path / "wrong.yaml"
    overlay.write_text("data:\n  seed: ${sed_everything}\n")
    with pytest.raises(SystemExit):
        main(["fit", f"--config={RECIPE}", f"--config={overlay}", f"--run.root={tmp_path}"])
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert "sed_everything" in line


def test_interpolation_follows_overrides_and_later_files(capsys, tmp_path):
    config = printed_config(capsys, "--seed_everything=7")
    assert (config["data"]["seed"], config["model"]["init_args"]["seed"]) == (7, 7)
    later = tmp_path / "later.yaml"
    later.write_text("seed_everything: 9\n")
    config = printed_config(capsys, f"--config={later}")
    assert (config["data"]["seed"], config["model"]["init_args"]["seed"]) == (9, 9)


def test_callbacks_of_a_later_file_replace_and_can_be_appended(capsys, tmp_path):
    before = printed_config(capsys)["trainer"]["callbacks"]
    extra = {"class_path": "asva_lightning.training.callbacks.Throughput", "init_args": {"every": 3}}
    appending, replacing = tmp_path / "append.yaml", tmp_path / "replace.yaml"
    appending.write_text(yaml.safe_dump({"trainer": {"callbacks+": [extra]}}))
    replacing.write_text(yaml.safe_dump({"trainer": {"callbacks": [extra]}}))
    assert printed_config(capsys, f"--config={appending}")["trainer"]["callbacks"] == [*before, extra]
    assert printed_config(capsys, f"--config={replacing}")["trainer"]["callbacks"] == [extra]


def test_a_checkpoint_does_not_overrule_the_command_line(synth_shards, tmp_path):
    run = fit(synth_shards, tmp_path / "first")
    given = f"--ckpt_path={run / 'checkpoints' / 'step_000002.ckpt'}"
    second = fit(synth_shards, tmp_path / "second", given, "--model.init_args.audio_drop=0.3", "--trainer.max_steps=3")
    assert yaml.safe_load((second / "config.yaml").read_text())["model"]["init_args"]["audio_drop"] == 0.3
    assert checkpoint(second, 3)["global_step"] == 3


def test_validation_is_counted_in_steps_even_with_accumulated_batches(synth_shards, tmp_path):
    more = ("--trainer.max_steps=4", "--trainer.accumulate_grad_batches=2", "--run.validate_every=2")
    run = fit(synth_shards, tmp_path, *more)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "validation/loss" in row] == [2, 4]


def test_the_run_folder_says_what_was_run(synth_shards, tmp_path):
    run = fit(synth_shards, tmp_path)
    assert run.name.startswith("quickstart-")
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "command.txt", "code.txt", "environment.txt", "metrics.jsonl", "checkpoints", "samples",
            "index.html"} <= names  # fmt: skip
    again = fit(synth_shards, tmp_path, "--trainer.max_steps=3", "--data.workers=1", "--run.save_every=7")
    assert again == run, "how long, how wide and how often is not what"
    other = tmp_path / "other"
    fit(synth_shards, other)
    main(words("fit", synth_shards, other, "--model.init_args.audio_drop=0.5"))
    assert len(list(other.iterdir())) == 2


def test_a_fresh_run_gets_a_folder_of_its_own(synth_shards, tmp_path):
    fit(synth_shards, tmp_path)
    main(words("fit", synth_shards, tmp_path, "--run.fresh=true"))
    assert len(list(tmp_path.iterdir())) == 2


def test_validate_test_and_predict_use_the_run_of_the_same_configuration(synth_shards, tmp_path, caplog):
    run = fit(synth_shards, tmp_path)
    main(words("validate", synth_shards, tmp_path))
    main(words("test", synth_shards, tmp_path))
    main(words("predict", synth_shards, tmp_path))
    assert only_run(tmp_path) == run
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(row["step"] == 2 for row in rows if "test/loss" in row or "validation/loss" in row)
    while_training = [row["validation/loss"] for row in rows if "validation/loss" in row]
    assert while_training[0] == pytest.approx(while_training[-1], abs=1e-6), "validate sees the same averaged weights"
    assert any("test/loss" in row for row in rows)
    scores = json.loads((run / "test.json").read_text())["scores"]
    assert set(scores) == {"motion_correlation", "onset_f1", "onset_motion_correlation", "av_align"}
    videos = sorted((run / "predictions" / "step_000002").glob("*.mp4"))
    assert len(videos) == 8
    assert probe(videos[0]).has_sound
    assert json.loads(videos[0].with_suffix(".json").read_text())["format"]["height"] == 32, "though it is enlarged"
    assert f"The clips are in {run / 'predictions' / 'step_000002'}" in caplog.text


def test_evaluation_without_a_checkpoint_says_what_to_do(synth_shards, tmp_path, capsys):
    error = failure(capsys, *words("test", synth_shards, tmp_path))
    assert "no checkpoint" in error
    assert "Run `fit`" in error


def test_a_missing_configuration_file_names_those_that_exist(capsys):
    error = failure(capsys, "fit", "--config", "experiments/nothing.yaml")
    assert "experiments/nothing.yaml does not exist" in error
    assert "experiments/quickstart.yaml" in error


def test_an_unknown_key_is_named(capsys):
    error = failure(capsys, "fit", f"--config={RECIPE}", "--data.batchsize=3")
    assert "batchsize" in error


def test_missing_shards_say_how_to_make_them_and_leave_nothing_behind(tmp_path, capsys):
    error = failure(capsys, *words("fit", tmp_path / "nowhere", tmp_path / "runs"))
    assert "shards build" in error
    assert not (tmp_path / "nowhere").exists()
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("--data.format.fps=60", "Set --data.format.fps"),
        ("--data.format.frames=100", "Set --data.format.frames"),
        ("--data.format.frames=0", "Set format.frames"),
        ("--data.format.height=30", "does not divide by the codec's factor 4"),
        ("--data.batch_size=3", "does not divide"),
        ("--trainer.max_steps=-1", "Set --trainer.max_steps or --trainer.max_time"),
        ("--trainer.max_epochs=3", "use --trainer.max_steps"),
        ("--trainer.val_check_interval=10", "use --run.validate_every"),
        ("--run.save_every=0", "--run.save_every must be at least 1"),
        ("--run.name=a/b", "cannot name a run"),
        ("--model.init_args.audio_drop=1.5", "audio_drop"),
        ("--model.init_args.denoiser.init_args.in_channels=12", "the codec gives 48"),
        ("--model.init_args.sampling.scheduler=Nothing", "diffusers has no scheduler 'Nothing'"),
    ],
)
def test_settings_that_cannot_work_are_one_clear_error(synth_shards, tmp_path, capsys, setting, message):
    more = ("--trainer.accumulate_grad_batches=2",) if "batch_size" in setting else ()
    assert message in failure(capsys, *words("fit", synth_shards, tmp_path, setting, *more))
    assert not list(tmp_path.iterdir()), "a mistake leaves nothing behind"


def test_missing_weights_are_named_with_their_source(synth_shards, tmp_path, capsys):
    overlay = tmp_path / "imagebind.yaml"
    audio = {"class_path": "asva_lightning.encoders.ImageBindAudio", "init_args": {"weights": "missing.pth"}}
    overlay.write_text(yaml.safe_dump({"model": {"init_args": {"conditioner": {"init_args": {"audio": audio}}}}}))
    error = failure(capsys, *words("fit", synth_shards, tmp_path / "runs", f"--config={overlay}"))
    assert "missing.pth" in error
    assert "imagebind_huge.pth" in error
    assert "CC BY-NC-SA" in error


def test_the_run_is_locked_while_it_runs(synth_shards, tmp_path, capsys):
    from asva_lightning.runs.lock import RunLock

    run = fit(synth_shards, tmp_path)
    with RunLock(run):
        error = failure(capsys, *words("fit", synth_shards, tmp_path))
    assert str(run) in error


def test_a_start_that_the_lock_refuses_leaves_the_run_as_it_is(synth_shards, tmp_path, capsys):
    from asva_lightning.runs.lock import RunLock

    run = fit(synth_shards, tmp_path, "--trainer.callbacks=null", "--run.validate_every=null")
    names = ("config.yaml", "command.txt", "code.txt")
    before = [(run / name).read_text() for name in names]
    other = ("--trainer.callbacks=null", f"--run.folder={run}", "--model.init_args.audio_drop=0.7")
    with RunLock(run):
        failure(capsys, *words("fit", synth_shards, tmp_path, *other))
    assert [(run / name).read_text() for name in names] == before
    new = tmp_path / "new"
    with RunLock(new):  # a first start that has not written anything yet
        failure(capsys, *words("fit", synth_shards, tmp_path, f"--run.folder={new}"))
        assert [path.name for path in new.iterdir()] == ["run.lock"], "nothing written, nothing removed"


def test_a_refused_start_removes_no_folder_that_held_something_before(synth_shards, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years")
    wrong = (f"--run.folder={mine}", "--model.init_args.audio_drop=1.5")
    assert "audio_drop" in failure(capsys, *words("fit", synth_shards, tmp_path, *wrong))
    assert (mine / "thesis.tex").read_text() == "years"


def test_the_configuration_of_a_run_folder_can_be_typed_again(synth_shards, tmp_path):
    run = fit(synth_shards, tmp_path, "--trainer.callbacks=null", "--run.validate_every=null")

    def validated():
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [row["step"] for row in rows if "validation/loss" in row]

    kept = yaml.safe_load((run / "config.yaml").read_text())["trainer"]
    assert [kept[name] for name in ("limit_val_batches", "val_check_interval", "max_epochs")] == [None, None, None]
    assert kept["check_val_every_n_epoch"] == 1, "as Lightning has it"
    main(["validate", f"--config={run / 'config.yaml'}"])
    assert validated() == [2]
    main(["fit", f"--config={run / 'config.yaml'}", "--trainer.max_steps=4", "--run.validate_every=2"])
    assert only_run(tmp_path) == run
    assert validated() == [2, 4]


def test_tiny_is_an_overlay_of_what_exists(capsys):
    config = printed_config(capsys, f"--config={TINY}")
    assert config["model"]["init_args"]["denoiser"]["init_args"]["block_out_channels"] == [16, 16]
    assert config["model"]["init_args"]["conditioner"]["init_args"]["audio"]["init_args"]["channels"] == 16
    assert config["data"]["generator"] is None


def test_a_finished_run_says_that_it_is_finished(synth_shards, tmp_path, caplog):
    run = fit(synth_shards, tmp_path)
    assert "This run is finished" not in caplog.text
    fit(synth_shards, tmp_path)
    longer = f"or raise --trainer.max_steps, with --run.folder {run}, to train it for longer."
    assert f"This run is finished. Watch it in {run / 'index.html'}, {longer}" in caplog.text
