"""The front door."""

import subprocess
import sys

import pytest

from asva_lightning import __version__, cli
from asva_lightning.cli import main


def test_help_lists_every_command_and_imports_nothing_heavy(capsys):
    main(["--help"])
    text = capsys.readouterr().out
    for command in ("fit", "validate", "test", "predict", "shards build", "shards info", "animate"):
        assert f"  {command}" in text
    code = (
        "import sys; from asva_lightning.cli import main; main(['--help']); "
        "print([name for name in ('torch', 'lightning', 'diffusers', 'av') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(capsys):
    main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_an_unknown_command_shows_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["trian"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "no command 'trian'" in error
    assert "fit" in error


@pytest.mark.parametrize("command", [["fit"], ["shards", "build"], ["shards", "info"], ["animate"]])
def test_every_command_has_a_help_of_its_own(command):
    done = subprocess.run(
        [sys.executable, "-m", "asva_lightning", *command, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["naps: 3 of 40, 0 failed. The same command continues."],) * 2,
        ([], ["started again, the same command goes on from what it has kept."]),
    ],
)
def test_an_interrupted_command_ends_with_one_line_and_the_code_of_the_shell(monkeypatch, capsys, said, told):
    def interrupt(*_):
        raise KeyboardInterrupt(*said)

    monkeypatch.setattr(cli, "_dispatch", interrupt)
    with pytest.raises(SystemExit) as stop:
        main(["shards", "info", "clips"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == f"interrupted: {told[0]}\n"


def test_a_file_that_cannot_be_written_is_one_line(monkeypatch, capsys, tmp_path):
    def write(*_):
        (tmp_path / "nowhere" / "r.json").write_text("")

    def move(*_):
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").rename(tmp_path / "folder")

    for fail, told in ((write, "nowhere/r.json: No such file or directory"), (move, "folder: Is a directory")):
        monkeypatch.setattr(cli, "_dispatch", fail)
        with pytest.raises(SystemExit) as stop:
            main(["shards", "info", "clips"])
        assert stop.value.code == 1
        assert capsys.readouterr().err == f"error: cannot write or read {tmp_path}/{told}\n"


def test_an_error_of_the_system_that_names_no_file_stays_whole(monkeypatch):
    def fail(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(cli, "_dispatch", fail)
    with pytest.raises(ConnectionResetError):
        main(["shards", "info", "clips"])


def test_what_a_class_refuses_is_told_without_the_parsers_account(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["follow", "swap", "--shards", "shards", "--pairs", "pairs", "--format.frames=0"])
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: The clip format needs frames > 0, not 0. Set format.frames.\n"
