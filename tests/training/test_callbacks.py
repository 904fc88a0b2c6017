"""What callbacks leave in the run folder."""

import json
import random
import shlex
import shutil
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image
from runs_for_tests import assert_same, checkpoint, fit, only_run, words

from asva_lightning.cli import main
from asva_lightning.diffusion import Sampling
from asva_lightning.encoders import PixelCodec
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.results import Results
from asva_lightning.media import ClipFormat, probe, read_clip
from asva_lightning.metrics.legacy import ReadBackSound
from asva_lightning.training.callbacks import Evaluate, SampleVideos, SyncScores, sync_scores
from asva_lightning.training.callbacks.progress import ProgressLines
from asva_lightning.training.task import AnimationTask

SWAP = "--trainer.callbacks+=asva_lightning.training.callbacks.SoundSwap"


@pytest.fixture(scope="module")
def run(synth_shards, tmp_path_factory):
    return fit(synth_shards, tmp_path_factory.mktemp("callbacks"), SWAP)


def test_samples_are_videos_with_sound_strips_and_facts(run):
    for step in (0, 2):
        folder = run / "samples" / f"step_{step:06d}"
        videos = sorted(folder.glob("*.mp4"))
        assert len(videos) == 2
        for video in videos:
            info = probe(video)
            assert (info.has_sound, info.width, info.height) == (True, 128, 128)
            assert info.seconds == pytest.approx(2.0, abs=0.05)
            facts = json.loads(video.with_suffix(".json").read_text())
            assert facts["step"] == step
            assert (folder / facts["reference"]).is_file()
            picture = np.asarray(Image.open(folder / facts["picture"]))
            first = read_clip(video, ClipFormat(12, 6, 32, 32)).pixels[:, 0].permute(1, 2, 0).numpy()
            assert np.abs(picture.astype(int) - first.astype(int)).mean() < 6, "frame 0 is the picture"
            assert Image.open(folder / facts["strip"]).width > 1000


def test_the_same_clips_and_noise_at_every_step(run):
    names = [{path.name for path in folder.glob("*.mp4")} for folder in sorted((run / "samples").glob("step_*"))]
    assert len(names) == 2
    assert names[0] == names[1]


def test_scores_and_throughput_are_logged(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = {name for row in rows for name in row}
    for measure in ("motion_correlation", "onset_f1", "onset_motion_correlation", "av_align"):
        assert f"sync/{measure}" in names
    assert [row["sync/clips"] for row in rows if "sync/clips" in row] == [2.0]
    assert {"throughput/clips_per_second", "throughput/data_wait", "train/loss", "validation/loss"} <= names


class Drawing:
    """A measure that draws from every global generator."""

    higher_is_better = True

    def measure(self, clip, format):
        return random.random() + float(np.random.rand()) + float(torch.rand(()))  # noqa: NPY002


def test_samples_and_scores_change_nothing_that_is_learnt(synth_shards, tmp_path, monkeypatch):
    step, states = AnimationTask.training_step, []

    def recorded(self, *arguments):
        states.append((torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()))  # noqa: NPY002
        return step(self, *arguments)

    clock, sampled, sample = iter((0.0, 1.0)), [], sync_scores.sample_together

    def counted(trainer, task, pairs):
        sampled.append([pair.key for pair in pairs])
        return sample(trainer, task, pairs)

    monkeypatch.setattr(sync_scores, "sample_together", counted)
    monkeypatch.setattr(AnimationTask, "training_step", recorded)
    monkeypatch.setattr(sync_scores, "sync_measures", lambda: {"drawing": Drawing()})
    monkeypatch.setattr(sync_scores, "monotonic", lambda: next(clock))
    watching = [
        {"class_path": "asva_lightning.training.callbacks.SampleVideos", "init_args": {"every": 1, "clips": 1}},
        {
            "class_path": "asva_lightning.training.callbacks.SyncScores",
            "init_args": {"every": 1, "clips": 4, "seconds": 2.5},
        },
    ]
    runs = [
        fit(synth_shards, tmp_path / name, f"--trainer.callbacks={json.dumps(callbacks)}", "--trainer.max_steps=3",
            "--run.validate_every=null")
        for name, callbacks in (("watched", watching), ("alone", []))
    ]  # fmt: skip
    rows = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in runs]
    losses = [[row["train/loss"] for row in of_run if "train/loss" in row] for of_run in rows]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]
    assert len(states) == 6
    assert_same(states[:3], states[3:])
    watched, alone = (checkpoint(run, 3) for run in runs)
    for part in ("state_dict", "average", "optimizer_states"):
        assert_same(watched[part], alone[part], part)
    assert [row["sync/clips"] for row in rows[0] if "sync/clips" in row] == [2, 2, 2], "2.5 s at 1 s a clip, timed once"
    timed, rest, *later = sampled
    assert [len(timed), len(rest)] == [1, 1], "the clip that told the time is not sampled a second time"
    assert all(sorted(keys) == sorted(timed + rest) for keys in later)
    assert len(later) == 2


def test_scores_name_the_measures_that_do_as_the_original_by_mistake(tmp_path):
    read_back = ReadBackSound(Drawing())
    task = SimpleNamespace(format=ClipFormat(), sampling=Sampling(), seed=0, steps_done=3)
    facts = sync_scores.facts_of(task, {"plain": Drawing(), "coded": read_back})
    assert facts["legacy"] == f"coded: {read_back.legacy}"
    assert "legacy" not in sync_scores.facts_of(task, {"plain": Drawing()})


def test_a_time_budget_is_a_number_of_clips():
    assert sync_scores.clips_within(10, taken=3, most=16) == 3
    assert sync_scores.clips_within(10, taken=3, most=2) == 2
    assert sync_scores.clips_within(1, taken=3, most=16) == 1
    assert sync_scores.clips_within(10, taken=3, most=16, at_once=4) == 12
    with pytest.raises(ConfigurationError, match="needs seconds above 0, not 0. Leave it out for no limit"):
        SyncScores(seconds=0)


def test_the_page_shows_every_step(run):
    page = (run / "index.html").read_text()
    assert "step_000000/" in page
    assert "step_000002/" in page


def test_sound_swap_compares_truth_samples_and_stillness(run):
    scores = {
        row: json.loads((run / "sound_swap" / f"{row}.json").read_text())["scores"]["motion_correlation"]["all"]
        for row in ("truth", "right_sound", "other_sound", "still")
    }
    assert scores["truth"]["mean"] == pytest.approx(1.0)
    assert scores["still"]["mean"] == 0.0
    assert -1 <= scores["right_sound"]["mean"] <= 1
    assert {score["count"] + score["left_out"] for score in scores.values()} == {8}
    kept = Results.read(run / "sound_swap" / "still.json")
    assert kept.videos.keys() == kept.texts.keys()
    assert (kept.facts["seed"], kept.facts["step"]) == (0, 2)
    assert kept.versions
    table = (run / "sound_swap" / "table.md").read_text()
    assert table.count("|") > 20
    assert "95 % interval" in table


def test_sound_swap_ends_with_three_commands(synth_shards, tmp_path, capsys):
    run = fit(synth_shards, tmp_path, SWAP)
    printed = capsys.readouterr().out
    assert f"animate --checkpoint {run} --audio FILE" in printed
    assert printed.count("\n  ") >= 3
    [longer] = [line for line in printed.splitlines() if " fit --config" in line]
    assert ("a longer run, from step 0" in longer) == ("learning_rate_schedule" in longer)
    assert ("train it for longer" in longer) == ("learning_rate_schedule" not in longer)
    given = shlex.split(longer.partition("-m asva_lightning ")[2].replace("3000", "3"))
    assert given[:3] == ["fit", "--config", str(run / "config.yaml")]
    main([*given, "--run.folder", str(tmp_path / "longer"), "--trainer.callbacks=[]"])
    steps = [json.loads(line)["step"] for line in (tmp_path / "longer" / "metrics.jsonl").read_text().splitlines()]
    assert max(steps) >= 2


def test_one_test_clip_has_no_sound_to_be_swapped_with(clip_folder, tmp_path, caplog):
    listed = clip_folder / "videos"
    names = (clip_folder / "train.txt").read_text().split() + (clip_folder / "test.txt").read_text().split()
    shutil.copytree(listed, tmp_path / "clips" / "videos")
    (tmp_path / "clips" / "train.txt").write_text("\n".join(names[:-1]))
    (tmp_path / "clips" / "test.txt").write_text(names[-1])
    main(["shards", "build", str(tmp_path / "clips"), str(tmp_path / "shards")])
    texts = sorted(json.loads((tmp_path / "shards" / "dataset.json").read_text())["texts"].values())
    of_text = "--model.init_args.conditioner.init_args.text.init_args.texts"
    run = fit(tmp_path / "shards", tmp_path / "runs", SWAP, of_text, json.dumps(texts))
    assert "There is 1 test clip, so no sound to swap it with, and no table." in caplog.text
    assert not (run / "sound_swap").exists()


def test_a_bad_clip_is_skipped_logged_and_listed(synth_shards, tmp_path, caplog):
    shards = tmp_path / "shards"
    shutil.copytree(synth_shards, shards)
    line = (shards / "train.jsonl").read_text().splitlines()[0]
    sample = json.loads(line)
    with (shards / sample["shard"]).open("r+b") as tar:
        tar.seek(sample["offset"])
        tar.write(bytes(sample["size"]))
    main(words("fit", shards, tmp_path / "runs", "--trainer.max_steps=5"))
    run = only_run(tmp_path / "runs")
    listed = [json.loads(line) for line in (run / "bad_clips.jsonl").read_text().splitlines()]
    assert {(entry["shard"], entry["key"]) for entry in listed} == {(str(shards / sample["shard"]), sample["key"])}
    assert sample["key"] in caplog.text


def test_bad_clips_and_samples_that_are_no_numbers_are_left_out_and_listed(synth_shards, tmp_path, monkeypatch):
    """Two clips of each of eight videos: the first video cannot be read, the first sample of each batch is NaN."""
    shards = shutil.copytree(synth_shards, tmp_path / "shards")
    first, second = (json.loads(line) for line in (shards / "test.jsonl").read_text().splitlines()[:2])
    with (shards / first["shard"]).open("r+b") as tar:
        tar.seek(first["offset"])
        tar.write(bytes(first["size"]))
    decode = PixelCodec.decode

    def broken(self, latents):
        frames = decode(self, latents)
        frames[0, 0, 0, 0, 0] = torch.nan
        return frames

    alone = {"class_path": "asva_lightning.training.callbacks.SyncScores", "init_args": {"every": 9}}
    given = f"--trainer.callbacks={json.dumps([alone])}", "--data.clips_per_sample=2", "--run.validate_every=null"
    main(words("fit", shards, tmp_path / "runs", *given))
    monkeypatch.setattr(PixelCodec, "decode", broken)
    main(words("test", shards, tmp_path / "runs", *given))
    results = Results.read(only_run(tmp_path / "runs") / "test.json")
    unread = {key: reason for key, reason in results.excluded.items() if key.startswith(first["key"])}
    assert list(unread) == [f"{first['key']}_clip-00", f"{first['key']}_clip-01"]
    nan = [reason for key, reason in results.excluded.items() if key not in unread]
    assert set(nan) == {"the sample holds values that are no finite numbers"}
    assert len(results.texts) + len(results.excluded) == 16, "no neighbour is judged in the place of a bad clip"
    assert len(results.texts) < 14
    assert results.videos.keys() == results.texts.keys()
    assert len(set(results.videos.values())) < len(results.videos), "clips of one video are one video"
    assert second["key"] in results.videos.values()


@pytest.mark.parametrize(("callback", "stage"), [(SampleVideos(), "fit"), (SyncScores(), "test"), (Evaluate(), "test")])
def test_a_task_that_cannot_animate_is_told_before_anything_costs_time(callback, stage):
    trainer = SimpleNamespace(datamodule=None)
    with pytest.raises(
        ConfigurationError, match=r"animates clips, which LightningModule cannot. Leave it out of trainer"
    ):
        callback.setup(trainer, pl.LightningModule(), stage)
    callback.setup(trainer, pl.LightningModule(), "predict")


def test_a_format_that_a_measure_cannot_judge_is_told_before_training(synth_shards, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(words("fit", synth_shards, tmp_path, "--data.format.fps=4", "--data.format.frames=8"))
    assert "onset_f1 cannot judge clips of this format: OnsetF1 has tolerance=0.1 s" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.ckpt"))


def test_without_a_terminal_lines_tell_how_far_prediction_is(caplog):
    trainer = SimpleNamespace(is_global_zero=True, num_predict_batches=[3])
    lines = ProgressLines(seconds=3600)
    with caplog.at_level("INFO", logger="asva_lightning"):
        for number in range(3):
            lines.on_predict_batch_end(trainer, None, None, None, number)
    assert caplog.messages == ["batch 1 of 3", "batch 3 of 3"], "the first, those after the time, and the last"
