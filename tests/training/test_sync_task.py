"""Training of the sync classifier: the loss, the pairs, derived flips, and what validation and test report."""

import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.strategies import DeepSpeedStrategy
from runs_for_tests import ROOT, assert_same, launch, only_run
from torch.nn import SyncBatchNorm

from asva_lightning.cli import main
from asva_lightning.data import SynthSync, SynthSyncSource, build
from asva_lightning.data.batch import ClipBatch, ClipSample
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError, RunError, WeightsError
from asva_lightning.evaluation.compare import compare
from asva_lightning.evaluation.results import Results
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.sync_accuracy import sync_accuracy
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_training, read_released
from asva_lightning.metrics.sync_scorer import SyncScorer
from asva_lightning.metrics.sync_windows import ShiftedWindows
from asva_lightning.training.restore import open_run_for_use
from asva_lightning.training.sync_results import JudgedVideo, sync_results
from asva_lightning.training.sync_task import SyncTask, sync_loss

FORMAT = ClipFormat(frames=84, fps=30, height=16, width=16)
WINDOWS = ShiftedWindows(count=3, shift=0.4)


def task(**changes):
    torch.manual_seed(0)
    settings = {"windows": WINDOWS, "protocol": ShiftedWindows(3, 0.2), "within": 0, "picture": 16}
    classifier = SyncClassifier((4, 6), 1, frame_differences=True)
    return SyncTask(classifier, FORMAT, **(settings | changes)).eval()


def batch(*positions):
    samples = []
    for position in positions:
        random = torch.Generator().manual_seed(position)
        pixels = torch.randint(0, 256, (3, FORMAT.frames, 16, 16), generator=random).byte()
        waveform = torch.randn(FORMAT.samples, generator=random) / 10
        samples.append(ClipSample(pixels, waveform, "text", "kind", f"clip{position}", position, 0.0))
    return ClipBatch.collate(samples)


def test_the_loss_is_the_mean_of_rows_and_columns():
    scores = np.random.default_rng(0).normal(size=(4, 5, 5))
    powers = np.exp(scores / 0.1)
    right = powers[:, range(5), range(5)]
    rows, columns = -np.log(right / powers.sum(axis=2)), -np.log(right / powers.sum(axis=1))
    expected = (rows.mean() + columns.mean()) / 2
    assert float(sync_loss(torch.tensor(scores), 0.1)) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_scores_that_say_nothing_is_that_of_guessing():
    assert float(sync_loss(torch.zeros(2, 21, 21), 0.1)) == pytest.approx(np.log(21), rel=1e-6)


@torch.no_grad()
def test_each_window_is_scored_with_its_own_sound_and_that_of_the_others():
    model, given = task(), batch(1, 2)
    scores = model._scores(given, WINDOWS)
    video = for_training(given.pixels, 16)
    for clip, sound, seen in [(0, 0, 0), (0, 2, 1), (1, 1, 2)]:
        mel = log_mel(given.waveform[clip, 6400 * sound : 6400 * sound + 32_000])
        frames = video[clip, :, 12 * seen + 5 * torch.arange(12)]
        single = model.classifier(mel[None], frames[None])
        assert torch.allclose(scores[clip, sound, seen], single[0], atol=1e-5)
    assert scores.shape == (2, 3, 3)


@torch.no_grad()
def test_inputs_have_the_type_of_a_classifier_that_was_cast_without_the_task():
    """As DeepSpeed does it."""
    model, given = task(), batch(1)
    plain = model._scores(given, WINDOWS)
    model.classifier.bfloat16()
    assert model.dtype == torch.float32
    assert torch.allclose(model._scores(given, WINDOWS).float(), plain, atol=0.1)


def test_flips_belong_to_the_clip_whoever_it_is_trained_with():
    model = task(windows=ShiftedWindows(21, 0.04))
    together = model._flips(batch(5, 6, 7))
    assert torch.equal(together[1], model._flips(batch(6))[0])
    assert not torch.equal(together[0], together[1])
    assert 0.3 < together.float().mean() < 0.7
    assert not torch.equal(task(windows=ShiftedWindows(21, 0.04), seed=1)._flips(batch(6))[0], together[1])
    assert not task(flip=0.0)._flips(batch(5, 6)).any()


@torch.no_grad()
def test_a_window_is_mirrored_on_its_own():
    model, given = task(), batch(1)
    flips = torch.tensor([[False, True, False]])
    mixed, plain = model._scores(given, WINDOWS, flips), model._scores(given, WINDOWS)
    mirrored = model._scores(given.but(pixels=given.pixels.flip(-1)), WINDOWS)
    assert torch.allclose(mixed[..., [0, 2]], plain[..., [0, 2]], atol=1e-5)
    assert torch.allclose(mixed[..., 1], mirrored[..., 1], atol=1e-5)
    assert not torch.allclose(plain[..., 1], mirrored[..., 1], atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": ShiftedWindows(21, 0.2)}, r"21 windows of 2 s.*--data\.format\.frames to at least 180"),
        ({"protocol": ShiftedWindows(31, 0.04)}, r"31 windows of 2 s.*--data\.format\.frames to at least 96"),
        ({"protocol": ShiftedWindows(4, 0.1)}, "odd number of clips"),
        ({"temperature": 0.0}, r"--model\.temperature must be above 0"),
        ({"flip": 1.5}, r"--model\.flip in 0\.\.1"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        task(**changes)


def test_another_sample_rate_is_refused():
    with pytest.raises(ConfigurationError, match=r"16000 samples a second, not 8000\. Set --data\.format\.sample_rate"):
        SyncTask(SyncClassifier((4, 6), 1), ClipFormat(180, 30, 16, 16, sample_rate=8000))


def test_a_missing_avid_cma_is_met_before_training(tmp_path):
    model = task(avid_cma=str(tmp_path / "absent.pth.tar"))
    model.setup("validate")
    with pytest.raises(WeightsError, match=r"absent\.pth\.tar is missing"):
        model.setup("fit")


def test_batch_normalisation_over_devices_takes_the_place_of_every_other_and_has_the_same_weights():
    model = task()
    before = {
        name: type(layer).__name__ for name, layer in model.named_modules() if "BatchNorm" in type(layer).__name__
    }
    saved = model.state_dict()
    converted = SyncBatchNorm.convert_sync_batchnorm(model)
    assert set(before.values()) == {"BatchNorm2d", "BatchNorm3d"}
    assert all(isinstance(converted.get_submodule(name), SyncBatchNorm) for name in before)
    converted.load_state_dict(saved)


@pytest.mark.slow
def test_sync_batchnorm_reaches_the_network_of_each_rank(synth_shards, tmp_path):
    """PyTorch has it on GPUs only; that it refuses the CPU shows that the layers were exchanged."""
    two = ("--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.sync_batchnorm=true")
    with pytest.raises(AssertionError, match="SyncBatchNorm layers only work with GPU modules"):
        launch(words("fit", synth_shards, tmp_path, *two))


def words(command, shards, root, *more):
    recipe, tiny = ROOT / "experiments" / "sync_classifier_synthsync.yaml", ROOT / "tests" / "tiny_sync.yaml"
    return [command, f"--config={recipe}", f"--config={tiny}", f"--data.shards={shards}", f"--run.root={root}", *more]


def refused(written, other):
    """Why `report` does not compare a file with one of another protocol."""
    results = Results.read(written)
    assert compare(results, results)
    given = results.protocol
    windows = {**given["windows"], "shift": 0.1}
    results.protocol = {**given, "windows": windows, "right within places": 0, "picture": 224, "reference": "f" * 64}
    results.facts["step"] = 7
    results.write(other)
    with pytest.raises(ConfigurationError) as error:
        compare(Results.read(written), Results.read(other))
    return str(error.value)


def test_a_broken_classifier_has_a_curve_that_json_can_hold(tmp_path):
    values = sync_accuracy(torch.full((1, 3, 3), torch.nan), 0.2, 0)
    results = sync_results([JudgedVideo("a", "text", "a", *[math.nan] * 3)], values, {}, {})
    results.write(tmp_path / "results.json")
    [first, last] = json.loads((tmp_path / "results.json").read_text())["curve"]
    assert first == {"tolerance": 0, "audio_to_video": None, "video_to_audio": None, "chance": pytest.approx(1 / 3)}
    assert last["chance"] == 1
    assert re.fullmatch(r"\| 0.200 +\| - +\| - +\| 1.000 +\|", results.table().splitlines()[-1])


def test_training_begins_from_avid_cma(tmp_path, caplog):
    """The networks of the file, and the head as it was; for training only."""
    source, model = SyncClassifier((4, 6), 1, frame_differences=True), task(avid_cma=str(tmp_path / "avid_cma.pth.tar"))
    names = {"audio_encoder.": "module.audio_model.", "video_encoder.": "module.video_model."}
    tensors = {
        names[part] + name.removeprefix(part): tensor
        for name, tensor in source.state_dict().items() for part in names if name.startswith(part)
    }  # fmt: skip
    torch.save({"model": tensors}, tmp_path / "avid_cma.pth.tar")
    before = {name: tensor.clone() for name, tensor in model.classifier.state_dict().items()}
    model.setup("test")
    assert_same(dict(model.classifier.state_dict()), before)
    with caplog.at_level("INFO"):
        model.setup("fit")
    assert f"avid_cma.pth.tar: {len(tensors)} tensors taken" in caplog.text
    heads = {name: tensor for name, tensor in before.items() if name.startswith("head.")}
    encoders = {name: tensor for name, tensor in source.state_dict().items() if name not in heads}
    assert_same(dict(model.classifier.state_dict()), {**encoders, **heads})


@pytest.mark.slow
def test_seven_test_clips_on_two_ranks_are_those_of_one(tmp_path):
    """One rank judges a clip more than the other, which repeats one meanwhile."""
    clips = SynthSync(kinds=["drum", "hammer", "firework"], train=4, validation=2, test=7, height=32, width=32)
    shards = build(SynthSyncSource(clips), tmp_path / "shards").output
    main(words("fit", shards, tmp_path / "runs"))
    written = only_run(tmp_path / "runs") / "sync_accuracy.json"
    found = []
    for two in ((), ("--trainer.strategy=ddp", "--trainer.devices=2")):
        launch(words("test", shards, tmp_path / "runs", *two))
        found.append(json.loads(written.read_text()))
        written.unlink()
    assert len(found[0]["texts"]) == 7
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def run(synth_shards, tmp_path_factory):
    """A run of two steps that was tested."""
    root = tmp_path_factory.mktemp("runs")
    main(words("fit", synth_shards, root))
    main(words("test", synth_shards, root))
    return only_run(root)


@pytest.mark.slow
def test_a_run_is_exported_as_the_release_is_laid_out(run, tmp_path, capsys):
    dest = tmp_path / "judge"
    with pytest.raises(SystemExit) as stop:
        main(["export", str(run), str(dest)])
    assert stop.value.code == 1
    assert "is a run of the sync classifier, which has one layout: --layout original." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    main(["export", str(run), str(dest), "--layout=original"])
    assert "original layout, " in (told := capsys.readouterr().out)
    assert told.endswith("from sync_classifier_synthsync, step 2\n")
    checkpoint = run / "checkpoints" / "step_000002.ckpt"
    assert_same(dict(read_released(dest / "modules").state_dict()), dict(read_released(checkpoint).state_dict()))
    card = (dest / "README.md").read_text()
    given = yaml.safe_load(card[card.index("    judges:") :].split("\n\n")[0])["judges"]["relsync"]["init_args"]
    assert given == {"classifier": "judge/modules", "picture": 16, "frames": 12, "fps": 6}
    assert "recipe sync_classifier_synthsync, 2 optimizer steps. Training began from random weights." in card
    assert "## Its test" in card
    assert "| audio_to_video | all" in card
    clip = batch(3)
    of_run, of_folder = (
        SyncScorer.read(path, **more).score(clip.waveform, clip.pixels, FORMAT)
        for path, more in ((run, {}), (dest / "modules", {name: given[name] for name in ("picture", "frames", "fps")}))
    )
    assert torch.equal(of_run, of_folder)


def test_a_classifier_animates_nothing(run):
    told = "describes a SyncTask, not the AnimationTask that is needed. Give another run."
    with pytest.raises(RunError, match=told):
        open_run_for_use(run)


def test_a_judge_of_a_sharded_checkpoint_says_how_to_make_a_folder_of_it(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {class_path: asva_lightning.training.sync_task.SyncTask}")
    checkpoint = tmp_path / "checkpoints" / "step_000002.ckpt"
    (checkpoint / "checkpoint").mkdir(parents=True)
    (checkpoint / "latest").write_text("checkpoint")
    with pytest.raises(WeightsError, match=r"`export .*step_000002.ckpt FOLDER --layout original`"):
        SyncScorer.read(tmp_path)


@pytest.mark.slow
def test_predict_of_a_classifier_is_an_error_of_one_line(run, synth_shards, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words("predict", synth_shards, run.parent))
    assert stop.value.code == 1
    assert "error: A sync classifier makes no clips. Judge it by `test`, or clips with it" in capsys.readouterr().err


@pytest.mark.slow
def test_validation_and_test_report_accuracy_beside_chance(run, synth_shards, tmp_path):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    validated = next(row for row in rows if "validation/sync_chance" in row)
    assert validated["step"] == 2
    assert validated["validation/sync_chance"] == pytest.approx(3 / 5)
    assert validated["validation/sync_chance_offset"] == pytest.approx(0.2 * 6 / 5)
    results = json.loads((run / "sync_accuracy.json").read_text())
    assert results["facts"]["chance"] == 0.6
    assert results["facts"]["step"] == 2
    assert results["facts"]["seed"] == 0
    assert results["videos"] == {key: key.rsplit(" at ", 1)[0] for key in results["texts"]}
    assert results["versions"]
    assert results["facts"]["chance offset"] == pytest.approx(0.2 * 6 / 5)
    assert [row["tolerance"] for row in results["curve"]] == pytest.approx([0, 0.2, 0.4])
    assert [row["chance"] for row in results["curve"]] == pytest.approx([1 / 5, 3 / 5, 1])
    assert results["curve"][2] == {"tolerance": 0.4, "audio_to_video": 1, "video_to_audio": 1, "chance": 1}
    of_others = refused(run / "sync_accuracy.json", tmp_path / "other.json")
    assert "right within places 1 against 0" in of_others
    assert "picture 16 against 224" in of_others
    assert "shift=0.2" in of_others
    assert "shift=0.1" in of_others
    assert re.search("reference [0-9a-f]{12} against ffffffffffff", of_others)
    assert "step" not in of_others, "systems may differ"
    middles = {sample.key: (sample.seconds - 3) / 2 for sample in Dataset.open(synth_shards).samples("test")}
    starts = {key: float(start.removesuffix(" s")) for key, start in (name.split(" at ") for name in results["texts"])}
    assert starts == pytest.approx(middles, abs=1e-4)
    assert min(middles.values()) > 1
    for direction in ("audio_to_video", "video_to_audio"):
        score = results["scores"][direction]
        assert score["all"]["count"] == 8
        assert set(score["classes"]) == set(results["texts"].values())
        tested = next(row for row in rows if f"test/sync_{direction}" in row)
        assert score["all"]["mean"] == pytest.approx(tested[f"test/sync_{direction}"])
        assert results["curve"][1][direction] == pytest.approx(score["all"]["mean"])
        assert tested["step"] == 2


@pytest.mark.parametrize(("precision", "refused"), [("bf16-mixed", True), ("32-true", False)])
def test_deepspeed_in_16_bits_is_refused(precision, refused, monkeypatch):
    trainer = SimpleNamespace(strategy=DeepSpeedStrategy.__new__(DeepSpeedStrategy), precision=precision)
    monkeypatch.setattr(SyncTask, "trainer", trainer)
    task = SyncTask.__new__(SyncTask)
    if refused:
        with pytest.raises(
            ConfigurationError, match="precision bf16-mixed under DeepSpeed.* Take --trainer.strategy ddp"
        ):
            SyncTask.on_fit_start(task)
    else:
        SyncTask.on_fit_start(task)
