"""Class texts come from the shards, and a run keeps them."""

import json
import tarfile

import pytest
import yaml
from runs_for_tests import ROOT, TINY, only_run

from asva_lightning.cli import main
from asva_lightning.data.manifest import SampleRecord, write_description, write_split
from asva_lightning.training.interpolations import class_texts

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


def write_shards(folder, texts, named=None):
    """Shards whose samples have such texts, one in `train` and the others in `test`; nothing is in them."""
    folder.mkdir()
    (folder / "train-000000.tar").touch()
    samples = [SampleRecord(f"dog/{place}", "train-000000.tar", "mp4", 0, 0, text, "dog", 2.0, 12.0)
               for place, text in enumerate(texts)]  # fmt: skip
    write_split(folder, "train", samples[:1])
    write_split(folder, "test", samples[1:])
    about = {"made_from": {}, "splits": {"train": 1, "test": len(samples) - 1}}
    write_description(folder, about | ({} if named is None else {"texts": named}))
    return str(folder)


def test_class_texts_are_those_of_all_samples(tmp_path):
    foreign = write_shards(tmp_path / "foreign", ["b", "d", "c", "b"])
    captions = write_shards(tmp_path / "captions", ["e", "a"], {"dog": "a"})
    assert class_texts(foreign) == ["b", "c", "d"]
    assert class_texts([captions, foreign]) == ["a", "b", "c", "d", "e"]


def test_a_class_that_lost_its_samples_keeps_its_text(tmp_path):
    """Else the list, and with it the run, would be another one."""
    assert class_texts(write_shards(tmp_path / "shards", ["a", "c"], {"dog": "c", "cat": "a", "cow": "b"})) == [
        "a",
        "b",
        "c",
    ]
