"""Every command of docs/your_data.md, in its order, as a newcomer types them."""

import re
import shlex
import shutil
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from clip_files import CLASSES

from asva_lightning.cli import main
from asva_lightning.data.manifest import Dataset

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    python -m asva_lightning (.+)$", PAGE, re.MULTILINE)]
FIT = [words for words in COMMANDS if words[0] == "fit"]


@pytest.fixture(scope="module")
def folder(clip_folder, tmp_path_factory):
    """A working directory that holds my_clips, as the page describes it, and the recipes."""
    folder = tmp_path_factory.mktemp("newcomer")
    for category in CLASSES:
        shutil.copytree(clip_folder / "videos" / category, folder / "my_clips" / category)
    (folder / "experiments").symlink_to(ROOT / "experiments")
    return folder


@pytest.fixture(scope="module")
def told(folder):
    """What the commands about shards print, by command; each has exit code 0."""
    outputs = {}
    for words in COMMANDS:
        if words[0] == "shards":
            alone = ["--workers", "1"] if words[1] in ("build", "lint") else []  # another process starts slowly
            with chdir(folder), redirect_stdout(StringIO()) as output:
                main([*words, *alone])  # which raises where the exit code is another
            outputs[words[1]] = output.getvalue()
    return outputs


def test_the_page_has_all_commands():
    assert [words[1] for words in COMMANDS if words[0] == "shards"] == ["build", "info", "lint", "preview"]
    assert len(FIT) == 1


def test_shards_are_built_and_looked_at(told, folder):
    assert "left out: 0" in told["info"]
    assert told["lint"].endswith("nothing is wrong\n")
    assert (folder / "mine.html").stat().st_size > 10_000
    dataset = Dataset.open(folder / "shards" / "mine")
    samples = [sample for split in dataset.splits for sample in dataset.samples(split)]
    assert len(samples) == 12
    assert {sample.text for sample in samples} == set(CLASSES.values())


@pytest.mark.slow
def test_a_model_is_trained_on_them(told, folder, monkeypatch):
    monkeypatch.chdir(folder)
    recipe = Path(FIT[0][FIT[0].index("--config") + 1])
    if not recipe.exists():
        pytest.skip(f"{recipe} is not there yet")
    main([*FIT[0], "--config", str(ROOT / "tests" / "tiny.yaml")])
    assert list(Path("runs").glob("*/samples/step_000002/*.mp4"))
