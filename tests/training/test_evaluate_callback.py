"""The callback Evaluate: clips of the test made once, and scored as ``evaluate`` scores files."""

import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch
import yaml
from runs_for_tests import RECIPE, ROOT, TINY, checkpoint, launch, only_run, words

from asva_lightning.cli import main
from asva_lightning.data.clips import ClipReader, FixedClips
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.results import Results
from asva_lightning.media import ClipFormat
from asva_lightning.training.callbacks import Evaluate, evaluate
from asva_lightning.training.callbacks.evaluation_folder import checkpoint_digest, planned
from asva_lightning.training.task import AnimationTask

PROTOCOL = ROOT / "experiments" / "overlays" / "protocol.yaml"
CALLBACK = "asva_lightning.training.callbacks.Evaluate"


@pytest.fixture(scope="module")
def trained(synth_shards, tmp_path_factory):
    """A folder of one run of two steps, without samples, only to be copied."""
    root = tmp_path_factory.mktemp("trained") / "runs"
    main(words("fit", synth_shards, root, "--trainer.callbacks=null", "--run.validate_every=null"))
    return root


@pytest.fixture
def root(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs")


def words_of_test(shards, root, **settings):
    """The command ``test`` with Evaluate alone."""
    given = {"videos": 3, "clips_per_reference": 2, "measures": ["onset_f1", "psnr"], "workers": 1} | settings
    callbacks = json.dumps([{"class_path": CALLBACK, "init_args": given}])
    return words("test", shards, root, f"--trainer.callbacks={callbacks}", "--trainer.limit_test_batches=1")


def made(folder):
    """When each video was written, by name."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.mp4")}


def test_scales_give_files_results_and_a_curve_that_evaluate_agrees_with(synth_shards, root, tmp_path):
    main(words_of_test(synth_shards, root, guidance=[1, 3.5], seed=7))
    folder = only_run(root) / "evaluation" / "step_000002"
    assert sorted(path.name for path in folder.iterdir()) == [
        "guidance.md", "guidance.svg", "guidance_1", "guidance_3.5",
    ]  # fmt: skip
    for scale in (1, 3.5):
        of_scale = folder / f"guidance_{scale:g}"
        assert len(made(of_scale)) == 6
        assert {name[-len("_clip-00.mp4") :] for name in made(of_scale)} == {"_clip-00.mp4", "_clip-01.mp4"}
        one = json.loads(next(iter(sorted(of_scale.rglob("*_clip-00.json")))).read_text())
        assert (one["guidance"]["audio"], one["seed"], one["step"], one["steps"]) == (scale, 7, 2, 2)
        assert one["checkpoint"] == checkpoint_digest(only_run(root) / "checkpoints" / "step_000002.ckpt")
        output = tmp_path / f"{scale}.json"
        format = json.loads((of_scale / "results.json").read_text())["protocol"]["format"]
        main(["evaluate", f"--generated={of_scale}", f"--reference={synth_shards}", f"--output={output}",
              "--measures=[onset_f1,psnr]", "--clips_per_reference=2", "--workers=1", "--allow_partial",
              *(f"--format.{name}={value}" for name, value in format.items())])  # fmt: skip
        kept, again = Results.read(of_scale / "results.json"), Results.read(output)
        assert kept.values == again.values
        assert kept.videos == again.videos
        assert kept.clip_facts == again.clip_facts
        assert (kept.missing, kept.extra, kept.excluded) == ([], [], {})
        assert "| onset_f1 | all" in (of_scale / "results.md").read_text().replace("  ", " ")
    facts, _, *table = (folder / "guidance.md").read_text().splitlines()
    assert {"frames 12", "fps 6", "size 32x32", "seed 7"} <= {fact.replace(".0", "") for fact in facts.split(", ")}
    assert [line.split("|")[1].strip() for line in table[2:]] == ["1", "3.5"]
    assert f"{Results.read(folder / 'guidance_1' / 'results.json').overall('psnr').mean:.3f}" in table[2]
    titles = "".join(ElementTree.parse(folder / "guidance.svg").getroot().itertext())
    assert "onset_f1" in titles
    assert "psnr" in titles


def test_an_interrupted_start_makes_only_what_is_missing(synth_shards, root, monkeypatch):
    write, left = evaluate.write_animation, [4]

    def interrupted(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(*arguments)

    given = words_of_test(synth_shards, root, batch_size=2)
    monkeypatch.setattr(evaluate, "write_animation", interrupted)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        main(given)
    monkeypatch.setattr(evaluate, "write_animation", write)
    folder = only_run(root) / "evaluation" / "step_000002" / "guidance_2"
    before = made(folder)
    assert len(before) == 4
    assert not (folder / "results.json").exists()
    main(given)
    after = made(folder)
    assert len(after) == 6
    assert {name: after[name] for name in before} == before
    results = folder / "results.json"
    written = results.stat().st_mtime_ns
    main(given)
    assert (made(folder), results.stat().st_mtime_ns) == (after, written), "nothing is left to do"


def test_other_settings_or_weights_are_other_clips(synth_shards, root, monkeypatch):
    generate, used = evaluate.generate, []

    def recorded(pipeline, *arguments, **settings):
        used.append({name: weight.clone() for name, weight in pipeline.unet.named_parameters()})
        return generate(pipeline, *arguments, **settings)

    monkeypatch.setattr(evaluate, "generate", recorded)
    run = only_run(root)
    folder = run / "evaluation" / "step_000002" / "guidance_2"
    main(words_of_test(synth_shards, root, videos=1))
    first = {path.name: path.read_bytes() for path in folder.rglob("*.mp4")}
    main(words_of_test(synth_shards, root, videos=1, seed=5))
    other = {path.name: path.read_bytes() for path in folder.rglob("*.mp4")}
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)
    main(words_of_test(synth_shards, root, videos=1, weights="raw"))
    assert (folder.parent.with_name("step_000002_raw") / "guidance_2" / "results.json").is_file()
    saved = checkpoint(run, 2)
    average, raw = saved["average"]["parameters"], saved["state_dict"]
    trained = [name for name in average if name.startswith("denoiser.") and not torch.equal(average[name], raw[name])]
    assert trained
    for name in trained:
        assert torch.equal(used[0][name.removeprefix("denoiser.")], average[name])
        assert torch.equal(used[-1][name.removeprefix("denoiser.")], raw[name])


def test_a_checkpoint_is_known_by_what_it_holds(tmp_path):
    first, moved, other = (
        tmp_path / "step_000001.ckpt",
        tmp_path / "moved" / "step_000001.ckpt",
        tmp_path / "other.ckpt",
    )
    weights = {"weight": torch.arange(6.0)}
    torch.save(weights, first)
    moved.parent.mkdir()
    torch.save(weights, moved)
    digest = checkpoint_digest(first)
    assert checkpoint_digest(moved) == digest
    torch.save({"weight": torch.arange(6.0).flip(0)}, other)
    assert checkpoint_digest(other) != digest
    assert checkpoint_digest(tmp_path / "not there") != checkpoint_digest(tmp_path / "nor this")
    folder = tmp_path / "deepspeed"
    folder.mkdir()
    for name in ("a.pt", "b.pt"):
        torch.save(weights, folder / name)
    both = checkpoint_digest(folder)
    torch.save({"weight": torch.ones(6)}, folder / "b.pt")
    assert checkpoint_digest(folder) != both


def test_the_protocol_finds_the_run_of_the_recipe(synth_shards, tmp_path):
    format = ("--data.format.frames=12", "--data.format.fps=6")
    main(words("fit", synth_shards, tmp_path, *format, "--run.validate_every=null"))
    run = only_run(tmp_path)
    main(["test", f"--config={RECIPE}", f"--config={TINY}", f"--config={PROTOCOL}", f"--data.shards={synth_shards}",
          f"--run.root={tmp_path}", "--trainer.limit_test_batches=1", "--trainer.callbacks.videos=1",
          "--trainer.callbacks.workers=1", "--trainer.callbacks.sampling.scheduler=DDIMScheduler"])  # fmt: skip
    assert only_run(tmp_path) == run
    results = Results.read(run / "evaluation" / "step_000002" / "guidance_4" / "results.json")
    assert len(results.texts) == 3
    assert {(facts["seed"], facts["steps"]) for facts in results.clip_facts.values()} == {(0, 50)}
    raw = Results.read(run / "evaluation" / "step_000002_raw" / "guidance_4" / "results.json")
    assert raw.texts == results.texts
    assert raw.values["psnr"] != results.values["psnr"], "the weights themselves move otherwise than their average"
    assert not (run / "test.json").exists(), "the recipe's own scores would sample every clip once more"


def test_the_protocol_is_that_of_the_recipe():
    recipe = yaml.safe_load((ROOT / "experiments" / "avsync15.yaml").read_text())
    overlay = yaml.safe_load(PROTOCOL.read_text())
    assert overlay["data"]["format"].items() <= recipe["data"]["format"].items()
    (callback,) = overlay["trainer"]["callbacks"]
    assert callback["class_path"] == CALLBACK
    assert callback["init_args"]["clips_per_reference"] == recipe["data"]["clips_per_sample"]


def test_a_clip_that_cannot_be_read_is_missing(synth_shards, root, tmp_path, caplog):
    shards = shutil.copytree(synth_shards, tmp_path / "shards")
    sample = json.loads((shards / "test.jsonl").read_text().splitlines()[0])
    with (shards / sample["shard"]).open("r+b") as tar:
        tar.seek(sample["offset"])
        tar.write(bytes(sample["size"]))
    main([*words_of_test(shards, root), f"--run.folder={only_run(root)}"])
    results = Results.read(only_run(root) / "evaluation" / "step_000002" / "guidance_2" / "results.json")
    assert results.missing == [f"{sample['key']}_clip-00", f"{sample['key']}_clip-01"]
    assert len(results.texts) == 4
    assert "0 clips excluded, 2 missing" in caplog.text
    caplog.clear()
    main([*words_of_test(shards, root), f"--run.folder={only_run(root)}"])
    assert "results.json is up to date" in caplog.text, "what can never be made is not scored again"


def test_clips_that_cannot_be_told_apart_or_read_are_refused(synth_shards):
    sample = Dataset.open(str(synth_shards)).samples("test")[0]
    clips = FixedClips(ClipReader(ClipFormat(12, 6, 32, 32)), [sample, sample])
    with pytest.raises(ConfigurationError, match="Two test videos are called .*, so their files would be one"):
        planned(clips)
    lost = FixedClips(clips.reader, [replace(sample, shard="lost.tar")])
    with pytest.raises(MediaError, match=r"the shard cannot be read .*; nor can the clips after it be read"):
        evaluate.read_test_clip(lost, 0)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigurationError, match="needs different scales as guidance, such as .*, not "):
        Evaluate(guidance=[2, 2])
    with pytest.raises(ConfigurationError, match="needs videos to be 1 or more, not 0"):
        Evaluate(videos=0)
    with pytest.raises(ConfigurationError, match="--measures does not know beauty"):
        Evaluate(measures=["beauty"])


@pytest.mark.slow
def test_two_ranks_share_the_work(synth_shards, root):
    given = words_of_test(synth_shards, root, guidance=[1, 2], measures=["psnr"], batch_size=1, videos=None)
    launch([*given, "--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.callbacks.videos=5",
            "--trainer.callbacks.clips_per_reference=1"])  # fmt: skip
    folder = only_run(root) / "evaluation" / "step_000002"
    shared = {scale: Results.read(folder / f"guidance_{scale}" / "results.json") for scale in (1, 2)}
    assert [len(results.texts) for results in shared.values()] == [5, 5], "an odd clip is made once"
    assert (folder / "guidance.md").is_file()
    assert not list(folder.rglob("*.journal*")), "the shares of the ranks are put together"
    for path in sorted((folder / "guidance_2").rglob("*.json")):
        path.unlink()
    before = made(folder / "guidance_1")
    main([*given, "--trainer.callbacks.videos=5", "--trainer.callbacks.clips_per_reference=1"])
    assert made(folder / "guidance_1") == before, "clips of two ranks are those of one"
    alone = Results.read(folder / "guidance_2" / "results.json")
    assert alone.values["psnr"] == pytest.approx(shared[2].values["psnr"], abs=0.05)


def test_a_sample_that_is_no_number_is_excluded_and_all_else_is_kept(synth_shards, root, monkeypatch, caplog):
    generate, used = evaluate.generate, []

    def diverged(*arguments, **settings):
        made = generate(*arguments, **settings)
        used.append(len(made))
        return [replace(made[0], finite=False), *made[1:]] if len(used) == 1 else made

    monkeypatch.setattr(evaluate, "generate", diverged)
    monkeypatch.syspath_prepend(ROOT / "tests" / "evaluation")
    given = {"measures": ["psnr"], "judges": {"brightness": {"class_path": "judges_for_tests.Brightness"}}}
    main(words_of_test(synth_shards, root, **given))
    folder = only_run(root) / "evaluation" / "step_000002" / "guidance_2"
    results = Results.read(folder / "results.json")
    (key,) = results.excluded
    assert results.excluded[key] == "the sample holds values that are no finite numbers."
    assert (len(results.texts), len(made(folder)), results.missing) == (5, 5, [])
    assert not (folder / f"{key}.mp4").exists()
    assert "1 clips excluded, 0 missing" in caplog.text
    caplog.clear()
    main(words_of_test(synth_shards, root, **given))
    assert "results.json is up to date" in caplog.text
    assert sum(used) == 6, "it is not sampled for ever"
    caplog.clear()
    main(words_of_test(synth_shards, root, **given, set_resamples=3))
    assert "up to date" not in caplog.text
    assert len(Results.read(folder / "results.json").set_draws["brightness"]) == 3
    (folder / "results.json").write_text("{")
    main(words_of_test(synth_shards, root, **given, set_resamples=3))
    assert "All clips are judged anew: " in caplog.text
    assert Results.read(folder / "results.json").values == results.values


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance": [1, -2]}, "error: Guidance by audio "),
        ({"judges": {"fvd": {"class_path": "judges_for_tests.Longer"}}}, "fvd cannot judge clips of this"),
    ],
)
def test_what_cannot_be_is_told_before_the_loop_over_the_test(
    settings, message, synth_shards, root, capsys, monkeypatch
):
    def never(*_):
        raise AssertionError("the loop over the test clips has begun")

    monkeypatch.setattr(AnimationTask, "test_step", never)
    monkeypatch.syspath_prepend(ROOT / "tests" / "evaluation")
    with pytest.raises(SystemExit):
        main(words_of_test(synth_shards, root, **settings))
    assert message in capsys.readouterr().err


def test_the_protocol_over_the_quickstart_says_at_once_that_its_scheduler_cannot(synth_shards, root, capsys):
    with pytest.raises(SystemExit):
        main([*words("test", synth_shards, root), f"--config={PROTOCOL}", f"--run.folder={only_run(root)}"])
    assert "PNDMScheduler cannot sample CleanTarget in 50 steps" in capsys.readouterr().err
    assert not (only_run(root) / "evaluation").exists()


@pytest.mark.slow
def test_where_nothing_can_be_judged_both_ranks_say_so_and_end(synth_shards, root):
    judges = {"broken": {"class_path": "evaluation.judges_for_tests.Broken"}}
    given = words_of_test(synth_shards, root, measures=[], judges=judges, videos=2, clips_per_reference=1)
    with pytest.raises(AssertionError) as ended:
        launch([*given, "--trainer.strategy=ddp", "--trainer.devices=2"], timeout=240)
    told = str(ended.value)
    assert "error: Not one of 2 clips could be judged" in told.replace("\\n", "\n")
    assert "error: Rank 0 could not go on: Not one of 2 clips could be judged" in told
