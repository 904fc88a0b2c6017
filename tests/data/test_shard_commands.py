"""The commands `shards build` and `shards info`, by the words that a user types."""

import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.open_source import read_recipe
from asva_lightning.media import probe

ROOT = Path(__file__).parent.parent.parent
RECIPE = """
class_path: asva_lightning.data.SynthSyncSource
init_args:
  clips: {kinds: [drum, lamp], train: 2, validation: 1, test: 1, height: 24, width: 24}
"""


def command(*words):
    """Run a command; the exit code."""
    try:
        main([str(word) for word in words])
    except SystemExit as stopped:
        return stopped.code
    return 0


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_becomes_shards_and_info_tells_what_they_hold(recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert command("shards", "build", recipe, out, "--workers", 1) == 0
    assert capsys.readouterr().out == f"{out}: 2 train, 1 validation, 1 test clips, 0 left out\n"
    assert command("shards", "info", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{out}, made from source synthsync, kinds ['drum', 'lamp'], train 2,")
    assert re.fullmatch(
        r"train: 2 clips of [678]\.\d\d to [678](\.\d\d)? s, 0\.2 min in all, 30 frames a second, 1 shard, 0\.\d MiB",
        lines[2],
    )
    assert lines[3:5] == ["       1  a lamp being switched on and off", "       1  a stick hitting a drum"]
    assert [line.partition(":")[0] for line in lines[5:] if ":" in line] == ["validation", "test", "left out"]
    assert lines[-1] == "left out: 0"


def test_a_recipe_becomes_a_plain_folder(recipe, tmp_path):
    assert command("shards", "build", recipe, tmp_path / "plain", "--as", "folder", "--workers", 1) == 0
    names = (tmp_path / "plain" / "train.txt").read_text().split()
    assert len(names) == 2
    assert all(probe(tmp_path / "plain" / "videos" / name).has_sound for name in names)
    assert json.loads((tmp_path / "plain" / "class_mapping.json").read_text()).keys() == {"drum", "lamp"}


def test_clips_that_are_left_out_make_the_command_fail_truthfully(clip_folder, tmp_path, capsys):
    folder = Path(shutil.copytree(clip_folder, tmp_path / "clips"))
    with (folder / "test.txt").open("a") as file:
        file.write("hammering/lost.mp4\n")
    assert command("shards", "build", folder, tmp_path / "out", "--workers", 1) == 1
    told = "hammering/lost: the list names this file, but it does not exist"
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'out'}: 9 train, 3 test clips, 1 left out",
        f"  {told}",
    ]
    assert command("shards", "info", tmp_path / "out") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["left out: 1", f"  {told}"]


def test_the_options_reach_the_build(clip_folder, tmp_path):
    folder = Path(shutil.copytree(clip_folder / "videos", tmp_path / "clips"))
    words = ["--workers", 1, "--samples_per_shard", 2, "--test_share", 0, "--minimum_seconds", 1.5]
    assert command("shards", "build", folder, tmp_path / "out", *words) == 0
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.description["made_from"]["minimum_seconds"] == 1.5
    assert dataset.splits == ("train",)
    assert len({sample.shard for sample in dataset.samples("train")}) == 6


def test_options_without_effect_are_told(recipe, tmp_path, caplog):
    with caplog.at_level("WARNING"):
        assert command("shards", "build", recipe, tmp_path / "out", "--workers", 1, "--test_share", 0.5) == 0
    assert "--test_share and --minimum_seconds have no effect" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r"recipe\.yaml cannot be used: .*Compare shards/synthsync\.yaml"),
        ("", r"recipe\.yaml cannot be used: .*Compare shards/synthsync\.yaml"),
        (RECIPE.replace("SynthSyncSource", "Nothing"), "no attribute 'Nothing'"),
        (RECIPE.replace("SynthSyncSource", "ClipItem"), "does not correspond to a subclass of ClipSource"),
        (RECIPE.replace("train:", "trains:"), "does not accept option 'trains'"),
        (RECIPE.replace("train: 2", "train: two"), "Expected a <class 'int'>. Got value: two"),
        (RECIPE.replace("lamp", "trumpet"), "SynthSync does not know 'trumpet'"),
    ],
)
def test_a_recipe_that_cannot_be_used_says_why(recipe, tmp_path, capsys, content, message):
    recipe.write_text(content)
    assert command("shards", "build", recipe, tmp_path / "out", "--workers", 1) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert re.search(message, said, re.DOTALL)
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_wrong_words_are_refused_on_stderr(tmp_path, capsys):
    def said(*words, code=1):
        assert command("shards", *words) == code
        return capsys.readouterr().err

    assert "recipe nowhere.yaml does not exist. Recipes lie in shards/" in said("build", "nowhere.yaml", "out")
    assert "folder of clips nowhere does not exist" in said("build", "nowhere", "out")
    assert "No media files under" in said("build", tmp_path, tmp_path / "out")
    assert f"{tmp_path} exists. Delete it" in said("build", tmp_path, tmp_path)
    assert "No shards in nowhere" in said("info", "nowhere")
    assert "'shards', 'folder'" in said("build", tmp_path, "out", "--as", "zip", code=2)


def test_help_names_the_option_as_it_is_typed(capsys):
    assert command("shards", "build", "--help") == 0
    told = capsys.readouterr().out
    assert "--as {shards,folder}" in told
    assert "for plain files in AVSync15's layout" in " ".join(told.split())
    assert "--as_" not in told


def test_the_shipped_recipe_holds_what_its_header_says():
    path = ROOT / "shards" / "synthsync.yaml"
    items = read_recipe(str(path)).items()
    counts = {split: sum(item.split == split for item in items) for split in ("train", "validation", "test")}
    header = path.read_text().partition("class_path")[0]
    assert "{train} train, {validation} validation, {test} test clips".format(**counts) in header
    for split, count in counts.items():
        categories = [item.category for item in items if item.split == split]
        assert {categories.count(kind) for kind in set(categories)} == {count // 8}
    assert yaml.safe_load(path.read_text())["init_args"]["clips"].keys() >= {"kinds", "train", "validation", "test"}


def test_the_specification_names_every_field(synth_shards):
    text = (ROOT / "shards" / "README.md").read_text()
    fields = set(json.loads((synth_shards / "dataset.json").read_text()))
    fields |= set(json.loads((synth_shards / "train.jsonl").read_text().splitlines()[0]))
    for field in fields:
        assert f"`{field}`" in text, field


def test_shards_can_be_written_from_the_specification_alone(clip_folder, tmp_path, capsys):
    """What another tool writes, with nothing but tar and JSON, is read."""
    files = sorted((clip_folder / "videos" / "hammering").glob("*.mp4"))
    with tarfile.open(tmp_path / "train-000000.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for number, file in enumerate(files):
            about = tmp_path / "about.json"
            about.write_text('{"text": "hammering", "category": "hammering", "seconds": 3, "fps": 12}')
            archive.add(about, f"hammering/{number}.json")
            archive.add(file, f"hammering/{number}.mp4")
    about.unlink()
    with tarfile.open(tmp_path / "train-000000.tar") as archive, (tmp_path / "train.jsonl").open("w") as lines:
        for member in archive:
            key, _, media = member.name.partition(".")
            line = {"key": key, "shard": "train-000000.tar", "media": media, "text": "hammering"}
            line |= {"category": "hammering", "seconds": 3, "fps": 12, "offset": member.offset_data}
            if media == "mp4":
                lines.write(json.dumps(line | {"size": member.size}) + "\n")
    description = {"layout": "asva-shards/1", "made_from": {"source": "another tool"}, "splits": {"train": len(files)}}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    assert command("shards", "info", tmp_path) == 0
    assert "train: 4 clips of 3 s, 0.2 min in all, 12 frames a second, 1 shard" in capsys.readouterr().out
    sample = Dataset.open(tmp_path).samples("train")[2]
    content = (tmp_path / sample.shard).read_bytes()[sample.offset : sample.offset + sample.size]
    assert content == files[2].read_bytes()
