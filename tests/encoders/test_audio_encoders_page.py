"""docs/audio_encoders.md: every block of it is a recipe's, and its tables say what the code does."""

import re
from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser

from asva_lightning import encoders
from asva_lightning.encoders import AudioEncoder, FrameWindows
from asva_lightning.encoders.windows import windows_from_config
from asva_lightning.weights import known_weights

PAGE = (Path(__file__).parent.parent.parent / "docs" / "audio_encoders.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:^    .+\n)+", PAGE, re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"encoders\.(\w+)", block)[0])
def test_a_block_is_understood(block):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--audio", type=AudioEncoder | None)
    parser.add_argument("--windows", type=FrameWindows | None)
    parsed = parser.parse_object(yaml.safe_load(block))
    assert parsed.audio or parsed.windows


def test_all_encoders_and_windows_are_told():
    for kind in (AudioEncoder, FrameWindows):
        ours = {name for name, part in vars(encoders).items() if isinstance(part, type) and issubclass(part, kind)}
        for name in ours - {kind.__name__}:
            assert f"| `{name}` |" in PAGE, name
    assert len(BLOCKS) == len(re.findall(r"^    (?:audio|windows):$", PAGE, re.MULTILINE))


def test_licences_and_counts_are_those_of_the_code():
    rows = dict(re.findall(r"^\| `(\w+)` \|(.+)$", PAGE, re.MULTILINE))
    assert f"| {known_weights()['imagebind_huge'].licence}: not for" in rows["ImageBindAudio"]
    assert f"| {known_weights()['ast'].licence} |" in rows["AstAudio"]
    for name in ("ImageBindAudio", "AstAudio"):
        kind = getattr(encoders, name)
        grid = object.__new__(kind).grid(32_000)
        told = rf"{grid.leading} of the whole sound, {grid.rows} bands x {grid.columns} columns"
        assert told in rows[name]
    for name in re.findall(r"^\| `(\w*Windows?|NoAudio)` \|", PAGE, re.MULTILINE):
        assert windows_from_config({"class": name})
