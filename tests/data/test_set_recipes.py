"""Every recipe in shards/ builds from a folder in its set's layout, and says what is not as it should be."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from clip_files import write_clicking_square

from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset

RECIPES = Path(__file__).parent.parent.parent / "shards"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """One clip that is long enough for every set."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clicking_square(path, 0, seconds=6.2, height=16, width=24)
    return path


@pytest.fixture
def put(clip, tmp_path, monkeypatch):
    """Put copies of the clip, and lists, where a recipe looks for them; work in that folder."""
    monkeypatch.chdir(tmp_path)

    def files(root, *names, **lists):
        for name in names:
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, tmp_path / root / name)
        for name, lines in lists.items():
            (tmp_path / root / f"{name}.txt").write_text("\n".join(lines))

    return files


def built(recipe, *words):
    """Exit code of a build, and what there is of each split."""
    try:
        main(["shards", "build", str(RECIPES / recipe), "out", "--workers", "1", *words])
        code = 0
    except SystemExit as stopped:
        code = stopped.code
    dataset = Dataset.open("out")
    return code, {split: [(s.key, s.text) for s in dataset.samples(split)] for split in dataset.splits}


def test_avsync15_is_built_and_wrong_counts_are_told(put, capsys):
    names = ["dog_barking/a_000001_000011-0.5_3.5.mp4", "frog_croaking/b.mp4"]
    put("data/avsync15", *(f"videos/{name}" for name in names), train=names[:1], test=names[1:])
    Path("data/avsync15/class_mapping.json").write_text('{"frog_croaking": "frog croaking"}')
    assert built("avsync15.yaml") == (
        1,
        {
            "train": [("dog_barking/a_000001_000011-0_5_3_5", "dog barking")],
            "test": [("frog_croaking/b", "frog croaking")],
        },
    )
    assert capsys.readouterr().out.splitlines() == [
        "out: 1 train, 1 test clips, 0 left out",
        "  expected 1350 train clips, found 1",
        "  expected 150 test clips, found 1",
        "  expected 15 classes, found 2",
    ]


def test_landscapes_with_as_many_classes_as_there_are_is_fine(put):
    names = [f"{split}/class_{number}/1.mp4" for split in ("train", "test") for number in range(9)]
    names = [name.replace("/1", f"/{name[:2]}") for name in names]
    put("data/landscapes", *(f"videos/{name}" for name in names))
    code, found = built("landscapes.yaml")
    assert code == 0
    assert {split: len(clips) for split, clips in found.items()} == {"train": 9, "test": 9}


@pytest.mark.parametrize("ending", ["", "_denoised_thumb.mp4"])
def test_the_greatest_hits_is_one_class_of_its_thumbnails(put, ending):
    put(
        "data/greatest_hits", "videos/2015-1_denoised_thumb.mp4", "videos/2015-2_denoised_thumb.mp4",
        "videos/2015-1_mask.mp4", train=[f"2015-1{ending}"], test=[f"2015-2{ending}"],
    )  # fmt: skip
    text = "hitting with a stick"
    assert built("greatest_hits.yaml") == (
        0,
        {
            "train": [("hitting_with_a_stick/2015-1_denoised_thumb", text)],
            "test": [("hitting_with_a_stick/2015-2_denoised_thumb", text)],
        },
    )


def test_the_greatest_hits_without_lists_leaves_other_files_alone(put):
    put("data/greatest_hits", *(f"{number}_denoised_thumb.mp4" for number in range(3)), "0_mask.mp4")
    code, found = built("greatest_hits.yaml")
    assert code == 0
    assert sum(len(clips) for clips in found.values()) == 3


def test_vggss_takes_what_was_downloaded_and_is_long_enough(put, capsys):
    put("data/vggss", "videos/dog/a.mp4", "videos/dog/b.mp4", train=["dog/a.mp4", "dog/gone.mp4"], test=["dog/b.mp4"])
    write_clicking_square(Path("data/vggss/videos/dog/short.mp4"), 1)
    assert built("vggss.yaml") == (0, {"train": [("dog/a", "dog")], "test": [("dog/b", "dog")]})
    assert "dog/gone: the list names this file, but it does not exist" in capsys.readouterr().out
    shutil.rmtree("out")
    Path("data/vggss/train.txt").write_text("dog/a.mp4\ndog/short.mp4")
    code, found = built("vggss.yaml")
    assert code == 1
    assert len(found["train"]) == 1


def test_vggsound_takes_what_was_downloaded(put, capsys):
    put("data/vggsound", "videos/abc_000030.mp4")
    Path("data/vggsound/vggsound.csv").write_text("abc,30,dog barking,train\ndef,1,dog barking,test\n")
    assert built("vggsound.yaml") == (1, {"train": [("dog_barking/abc_000030", "dog barking")]})
    assert "expected 309 classes, found 1" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_recipe_says_what_it_is(recipe):
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# ")
    words = ("Build:", "Expect:", "Then:")
    own = (
        ("Source:", "Licence:", *words) if recipe.name == "synthsync.yaml" else ("Source:", "Licence:", "Put:", *words)
    )
    assert [word for word in own if f"\n# {word}" not in text] == []
    for place in re.findall(r"data/\w+", json.dumps(yaml.safe_load(text))):
        assert place in text.partition("class_path")[0]
