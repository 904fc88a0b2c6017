"""Every recipe in experiments/ runs: two steps, stopped, continued to four, as if never stopped."""

import shutil

import pytest
import torch
import yaml
from training.runs_for_tests import RECIPE, ROOT, TINY, assert_same, checkpoint, only_run

from asva_lightning.cli import main
from asva_lightning.studies.resolve import resolve

EXPERIMENTS = ROOT / "experiments"
ABLATIONS = sorted((EXPERIMENTS / "ablations").glob("*.yaml"))
SWEEPS = sorted((EXPERIMENTS / "sweeps").glob("*.yaml"))
OVERLAYS = sorted((EXPERIMENTS / "overlays").glob("*.yaml"))
RECIPES = sorted({*EXPERIMENTS.rglob("*.yaml")} - {*ABLATIONS, *SWEEPS, *OVERLAYS})
AVSYNC15 = EXPERIMENTS / "avsync15.yaml"
ACCUMULATED, WIDTHS = {"avsync15_24gb.yaml": 2}, {"greatest_hits.yaml": 2}
"""Batches of a step, and width in heights, of recipes that are special in them."""
SAMPLES = '[{"class_path": "asva_lightning.training.callbacks.SampleVideos", "init_args": {"every": 2, "clips": 1}}]'
PUBLISHED, TINY_SYNC = ROOT / "tests" / "tiny_published.yaml", ROOT / "tests" / "tiny_sync.yaml"


def name_of(path) -> str:
    return str(path.relative_to(EXPERIMENTS))


@pytest.fixture(scope="module")
def weights(stable_diffusion, imagebind_audio):
    """The words that put miniatures in place of the pretrained networks."""
    args, folder = "--model.init_args.{}.init_args", stable_diffusion
    return [
        f"{args.format('denoiser')}.folder={folder}",
        f"{args.format('conditioner')}.codec.init_args.folder={folder}",
        f"{args.format('conditioner')}.text.init_args.folder={folder}",
        f"{args.format('conditioner')}.audio.init_args.weights={imagebind_audio}",
    ]


def said_by(path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def laid():
    """Every overlay over the quickstart; those that say how to train or sample over a published recipe, too."""
    for overlay in ABLATIONS:
        names = said_by(overlay)["model"]["init_args"]
        if overlay.stem != "global_token":  # the quickstart's encoder has no token of the whole sound
            yield RECIPE, overlay
        if overlay.stem == "global_token" or names.keys() & {"objective", "sampling"}:
            yield AVSYNC15, overlay


def special(settings) -> list[str]:
    """What stays of a published recipe's own ways when it is made small: the form of its pictures, accumulation."""
    clip = settings["data"]["format"]
    words = [f"--data.format.width={32 * clip['width'] // clip['height']}"]
    if settings["trainer"].get("accumulate_grad_batches", 1) > 1:
        words.append("--trainer.accumulate_grad_batches=2")
    return words


def small(recipe, weights) -> list[str]:
    """What makes a recipe small; it depends on what it trains."""
    settings = said_by(recipe)
    model = settings["model"]
    if model["class_path"].endswith("SyncTask"):
        return [f"--config={TINY_SYNC}"]
    if model["init_args"]["denoiser"]["class_path"].endswith("from_stable_diffusion"):
        return [f"--config={PUBLISHED}", *weights, *special(settings)]
    return [f"--config={TINY}", "--data.format.height=32", "--data.format.width=32"]


@pytest.fixture(scope="module")
def shards_of(synth_shards, weights, tmp_path_factory):
    """The shards that a recipe trains on, in small."""

    def shards(recipe):
        if "evaluation_shards" not in said_by(recipe)["data"]:
            return [f"--data.shards={synth_shards}"]
        encoded = tmp_path_factory.mktemp("encoded") / "shards"
        main(["shards", "encode", str(synth_shards), str(encoded), f"--config={recipe}", f"--config={PUBLISHED}",
              *weights])  # fmt: skip
        return [f"--data.shards={encoded}", f"--data.evaluation_shards={synth_shards}"]

    return shards


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_a_recipe_trains_and_resumes(recipe, shards_of, weights, tmp_path):
    data = shards_of(recipe)

    def fit(root: str, steps: int) -> None:
        main(["fit", f"--config={recipe}", *small(recipe, weights), *data, f"--run.root={tmp_path / root}",
              f"--trainer.max_steps={steps}"])  # fmt: skip

    fit("stopped", 2)
    fit("stopped", 4)
    fit("whole", 4)
    stopped, whole = (checkpoint(only_run(tmp_path / root), 4) for root in ("stopped", "whole"))
    for part in ("state_dict", "average", "optimizer_states", "lr_schedulers"):
        assert_same(stopped.get(part), whole.get(part), part)  # not every task has an average
    batches = stopped["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["ready"]
    assert batches == 4 * ACCUMULATED.get(recipe.name, 1)
    clip = said_by(only_run(tmp_path / "stopped") / "config.yaml")["data"]["format"]
    assert clip["width"] == WIDTHS.get(recipe.name, 1) * clip["height"]


@pytest.fixture(scope="module")
def bases(synth_shards, weights):
    """The words that train a recipe in small, for two steps, after which it samples."""
    common = (f"--data.shards={synth_shards}", "--run.validate_every=null", "--trainer.max_steps=2",
              f"--trainer.callbacks={SAMPLES}")  # fmt: skip
    return {recipe: [f"--config={recipe}", *small(recipe, weights), *common] for recipe in (RECIPE, AVSYNC15)}


@pytest.fixture(scope="module")
def plain(bases):
    """The hash of each of these runs without an overlay."""
    return {recipe: resolve(tuple(words)).hash for recipe, words in bases.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "overlay"), laid(), ids=lambda path: path.stem)
def test_an_ablation_trains_samples_and_is_another_run(recipe, overlay, bases, plain, tmp_path):
    main(["fit", *bases[recipe], f"--config={overlay}", f"--run.root={tmp_path}"])
    run = only_run(tmp_path)
    assert checkpoint(run, 2)["global_step"] == 2
    assert list(run.glob("samples/**/*.mp4"))
    assert_within(said_by(overlay), said_by(run / "config.yaml"))
    assert not run.name.endswith(plain[recipe])


def assert_within(part, whole) -> None:
    """Whether a tree of settings says what an overlay says."""
    for key, value in part.items():
        if isinstance(value, dict):
            assert_within(value, whole[key])
        else:
            assert whole[key] == value, key


@pytest.mark.slow
def test_the_second_stage_begins_with_the_weights_of_the_first(synth_shards, weights, tmp_path, capsys):
    stages = EXPERIMENTS / "staged"

    def fit(stage: str, folder, steps: int, *more: str) -> None:
        main(["fit", f"--config={stages / stage}", f"--config={PUBLISHED}", *weights, f"--data.shards={synth_shards}",
              f"--run.folder={folder}", f"--trainer.max_steps={steps}", "--trainer.callbacks=null",
              "--run.validate_every=null", *more])  # fmt: skip

    first, second = tmp_path / "first", tmp_path / "second"
    fit("1_noisy.yaml", first, 2)
    begin = (f"--model.init_args.init_from={first}", "--run.save_every=1")
    still = "--model.init_args.optimizer.init_args.lr=0"
    fit("2_clean.yaml", second, 1, *begin, still)
    average = checkpoint(first, 2)["average"]["parameters"]
    begun = checkpoint(second, 1)["state_dict"]
    assert average
    for name, weight in average.items():
        assert torch.equal(begun[name], weight), name
    assert checkpoint(second, 1)["average"]["updates"] == 1
    shutil.rmtree(first)  # a run that has begun needs the other one no more
    fit("2_clean.yaml", second, 2, *begin, still)
    with pytest.raises(SystemExit):
        fit("2_clean.yaml", tmp_path / "third", 1, *begin)
    assert f"model.init_from {first} does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_a_recipe_says_what_it_is(recipe):
    lines = recipe.read_text(encoding="utf-8").splitlines()
    comment = "\n".join(line for line in lines if line.startswith("#"))
    assert lines[0].startswith("# ")
    for word in ("Shows:", "Run:", "Needs:", "Expect:"):
        assert word in comment
