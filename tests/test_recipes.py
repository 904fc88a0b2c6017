"""Every recipe in experiments/ runs: two steps, stopped, continued to four, as if never stopped."""

import pytest
import yaml
from training.runs_for_tests import ROOT, TINY, assert_same, checkpoint, only_run

from asva_lightning.cli import main

RECIPES = sorted((ROOT / "experiments").rglob("*.yaml"))
TINY_SYNC = ROOT / "tests" / "tiny_sync.yaml"


def overlay(recipe):
    """What makes a recipe small; it depends on the task."""
    task = yaml.safe_load(recipe.read_text(encoding="utf-8")).get("model", {}).get("class_path", "")
    return TINY_SYNC if task.endswith("SyncTask") else TINY


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT / "experiments")))
def test_a_recipe_trains_and_resumes(recipe, synth_shards, tmp_path):
    def fit(root: str, steps: int) -> None:
        main(["fit", f"--config={recipe}", f"--config={overlay(recipe)}", f"--data.shards={synth_shards}",
              f"--run.root={tmp_path / root}", f"--trainer.max_steps={steps}"])  # fmt: skip

    fit("stopped", 2)
    fit("stopped", 4)
    fit("whole", 4)
    stopped, whole = (checkpoint(only_run(tmp_path / root), 4) for root in ("stopped", "whole"))
    for part in ("state_dict", "average", "optimizer_states", "lr_schedulers"):
        assert_same(stopped.get(part), whole.get(part), part)  # not every task has an average


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(ROOT / "experiments")))
def test_a_recipe_says_what_it_is(recipe):
    lines = recipe.read_text(encoding="utf-8").splitlines()
    comment = "\n".join(line for line in lines if line.startswith("#"))
    assert lines[0].startswith("# ")
    for word in ("Run:", "Needs:", "Expect:"):
        assert word in comment
