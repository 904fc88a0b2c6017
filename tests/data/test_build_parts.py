"""Parts of a build, for job arrays, and the call that puts them together."""

import re
import shutil

import pytest

from asva_lightning.cli import main
from asva_lightning.data import MediaFolder, build, build_part
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import Encoding


@pytest.fixture
def folder(clip_folder, tmp_path):
    """The clip folder with a clip that cannot be used."""
    path = shutil.copytree(clip_folder, tmp_path / "clips")
    min(path.rglob("*.mp4")).write_bytes(b"")
    return path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_parts_together_are_the_build_in_one_go(folder, tmp_path, capsys):
    def command(output, *words):
        try:
            main(["shards", "build", str(folder), str(tmp_path / output), "--workers", "1", *words])
        except SystemExit as stopped:
            return stopped.code
        return 0

    assert command("whole") == 1
    whole_text = capsys.readouterr().out
    ready, codes = 0, set()
    for part in ("2/3", "1/3", "3/3"):  # jobs of an array end in any order
        code = command("out", "--part", part)
        told = capsys.readouterr().out
        assert code == (0 if " 0 left out" in told else 1)
        codes.add(code)
        ready += int(re.search(rf"part {part[0]} of 3 of .*out: (\d) clips ready", told)[1])
        assert told.endswith("start the same command once more without --part.\n")
        assert not (tmp_path / "out").exists()
    assert ready == 11
    assert codes == {0, 1}
    assert command("out") == 1
    assert capsys.readouterr().out == whole_text.replace("whole", "out")
    same = contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert same, "not compared in the assertion: a difference of megabytes takes hours to explain"
    assert not (tmp_path / "out.partial").exists()


def test_the_last_call_makes_only_what_the_parts_have_not_made(clip_folder, tmp_path):
    made = []

    class Noting(MediaFolder):
        def make(self, item, folder):
            made.append(item.key)
            return super().make(item, folder)

    source = Noting(str(clip_folder))
    report = build_part(source, tmp_path / "out", (2, 4))
    first = list(made)
    assert first == [item.key for item in source.items()[1::4]] == list(report.outcome.results)
    assert build(source, tmp_path / "out").counts == {"train": 9, "test": 3}
    assert sorted(made) == sorted(item.key for item in source.items())


def test_a_part_of_another_encoding_is_not_taken(clip_folder, tmp_path):
    source = MediaFolder(str(clip_folder))
    build_part(source, tmp_path / "out", (1, 12), encoding=Encoding(32))
    with pytest.raises(ConfigurationError, match=r"part-1-of-12\.jsonl was begun with other settings .*encoding"):
        build(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("part", "message"), [("2", "--part is '2'"), ("a/b", "--part is 'a/b'"), ("4/3", "no part 4 of 3")]
)
def test_parts_that_are_none_are_told(folder, tmp_path, capsys, part, message):
    with pytest.raises(SystemExit):
        main(["shards", "build", str(folder), str(tmp_path / "out"), "--part", part])
    assert message in capsys.readouterr().err
