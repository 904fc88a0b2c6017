"""Class texts come from the shards, and a run keeps them."""

import json
import tarfile

import pytest
import yaml
from runs_for_tests import ROOT, TINY, only_run

from asva_lightning.cli import main

RECIPE = ROOT / "experiments" / "own_clips.yaml"


def fit(shards, root) -> None:
    main(["fit", f"--config={RECIPE}", f"--config={TINY}", f"--data.shards={shards}", f"--run.root={root}",
          "--data.format.height=32", "--data.format.width=32", "--trainer.max_steps=1", "--trainer.callbacks=null",
          "--run.validate_every=null"])  # fmt: skip


@pytest.mark.slow
def test_class_texts_are_those_of_the_shards_and_stay_with_the_run(synth_shards, tmp_path):
    fit(synth_shards, tmp_path)
    config = yaml.safe_load((only_run(tmp_path) / "config.yaml").read_text(encoding="utf-8"))
    texts = config["model"]["init_args"]["conditioner"]["init_args"]["text"]["init_args"]["texts"]
    assert texts == sorted(json.loads((synth_shards / "dataset.json").read_text())["texts"].values())


def test_missing_shards_and_shards_without_a_manifest_say_so(tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit(tmp_path / "nowhere", tmp_path / "runs")
    assert f"{tmp_path / 'nowhere'}" in capsys.readouterr().err
    bare = tmp_path / "clips.tar"
    tarfile.open(bare, "w").close()
    with pytest.raises(SystemExit):
        fit(bare, tmp_path / "runs")
    assert "has no manifest that names class texts. List them in the recipe" in capsys.readouterr().err
