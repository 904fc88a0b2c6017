"""`shards lint`, by the words that a user types: what it finds, what it passes, and that it can be continued."""

import json
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from clip_files import write_clicking_square
from shard_helpers import spoil

import asva_lightning.data.lint as lint_module
from asva_lightning.cli import main
from asva_lightning.data import MediaFolder, build
from asva_lightning.data.manifest import Dataset, write_description, write_split


def lint(*words, code=0):
    """Run the command; the exit code is checked."""
    try:
        main(["shards", "lint", *map(str, words), "--workers=1"])
        ended = 0
    except SystemExit as stopped:
        ended = stopped.code
    assert ended == code


def edit(folder, split, number, **changes):
    """Change a line of a manifest."""
    samples = Dataset.open(folder).samples(split)
    samples[number] = replace(samples[number], **changes)
    write_split(folder, split, samples)
    return samples[number]


def test_good_shards_pass(synth_shards, tmp_path, capsys):
    report = tmp_path / "lint.json"
    lint(synth_shards, f"--report={report}")
    told = capsys.readouterr().out
    assert "train: 16 clips of 3 classes" in told
    assert told.endswith("nothing is wrong\n")
    read = json.loads(report.read_text())
    assert (read["wrong"], read["faults"], read["duplicates"]) == (False, {}, [])
    assert sum(read["clips"]["test"].values()) == 8
    assert [file.name for file in tmp_path.iterdir()] == ["lint.json"]


def test_what_is_wrong_with_samples_is_told_with_their_place(copied_shards, tmp_path, capsys):
    samples = Dataset.open(copied_shards).samples("train")
    spoil(copied_shards, [samples[0]])
    edit(copied_shards, "train", 1, sha256="")
    edit(copied_shards, "train", 0, sha256="")
    edit(copied_shards, "train", 4, seconds=9.0)
    changed = edit(copied_shards, "train", 7, sha256="0" * 64)
    report = tmp_path / "lint.json"
    lint(copied_shards, f"--report={report}", code=1)
    faults = json.loads(report.read_text())["faults"]

    def fault(sample):
        return faults[f"train {sample.key} in {sample.address}"]

    assert len(faults) == 3
    assert fault(samples[0]).startswith("cannot be read: Invalid data")
    assert fault(samples[4]) == "picture and sound overlap for 3.00 s, but the manifest says 9.00 s"
    assert fault(changed).startswith("its bytes are not those of the checksum")
    assert capsys.readouterr().out.endswith("something is wrong\n")


def test_one_changed_bit_is_found(copied_shards, capsys):
    sample = Dataset.open(copied_shards).samples("test")[0]
    with (copied_shards / sample.shard).open("r+b") as file:
        file.seek(sample.offset + sample.size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    lint(copied_shards, code=1)
    assert f"{sample.key} in {sample.address}: its bytes are not those of the checksum" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../etc/passwd", r"has members that are no <category>/<name>.<ending>: '../../etc/passwd'"),
        ("/etc/passwd", "has members that are no <category>/<name>.<ending>: '/etc/passwd'"),
        ("dog/1.x/y.mp4", r"has members that are no <category>/<name>.<ending>: 'dog/1.x/y.mp4'"),
        ("dog/\udcff.mp4", r"has members that are no <category>/<name>.<ending>: 'dog/\udcff.mp4'"),
    ],
)
def test_names_that_lead_out_of_a_folder_are_found(copied_shards, capsys, name, message):
    with tarfile.open(copied_shards / "test-000000.tar", "a") as archive:
        archive.addfile(tarfile.TarInfo(name))
    lint(copied_shards, code=1)
    assert f"test-000000.tar: {message}" in capsys.readouterr().out


def test_tars_that_are_not_as_the_manifest_says_are_found(copied_shards, capsys):
    with tarfile.open(copied_shards / "test-000000.tar", "a") as archive:
        archive.addfile(archive.getmembers()[0])
    shutil.copy(copied_shards / "train-000001.tar", copied_shards / "train-000000.tar")
    with (copied_shards / "train-000002.tar").open("r+b") as file:
        file.truncate(700)
    lint(copied_shards, code=1)
    told = capsys.readouterr().out
    assert "test-000000.tar: has members twice: " in told
    assert "train-000000.tar: holds " in told
    assert " not where the manifest says" in told
    assert "train-000002.tar: is no whole tar" in told
    assert told.count("the shard ends before this sample does; it is truncated") == 3


def test_headers_that_lie_are_found(copied_shards, capsys):
    sparse, negative = tarfile.TarInfo("dog/1.mp4"), tarfile.TarInfo("dog/1.mp4")
    sparse.pax_headers, negative.size = {"GNU.sparse.map": "x"}, -1024
    with tarfile.open(copied_shards / "test-000000.tar", "a") as archive:
        archive.addfile(sparse)
    (copied_shards / "train-000000.tar").write_bytes(negative.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    lint(copied_shards, code=1)
    told = capsys.readouterr().out
    assert "test-000000.tar: is no whole tar: invalid literal for int()" in told
    assert "train-000000.tar: is no whole tar: 'dog/1.mp4' has a negative size" in told


def test_copies_within_and_across_splits_are_found(clip_folder, tmp_path, capsys):
    folder = Path(shutil.copytree(clip_folder, tmp_path / "clips"))
    train, test = ((folder / f"{split}.txt").read_text().split() for split in ("train", "test"))
    (folder / "videos" / "again").mkdir()
    for name, original in (("a", train[0]), ("b", test[1])):
        shutil.copy(folder / "videos" / original, folder / "videos" / "again" / f"{name}.mp4")
    (folder / "train.txt").write_text("\n".join([*train, "again/a.mp4", "again/b.mp4"]))
    shards = build(MediaFolder(str(folder)), tmp_path / "out").output
    report = tmp_path / "lint.json"
    lint(shards, f"--report={report}", code=1)
    assert "duplicates: 2, 1 of them across splits" in capsys.readouterr().out
    pairs = json.loads(report.read_text())["duplicates"]
    keys = {frozenset(pair[side].split()[1] for side in ("one", "two")): pair for pair in pairs}
    original, leaked = (name.removesuffix(".mp4").replace(".", "_") for name in (train[0], test[1]))
    assert keys.keys() == {frozenset({original, "again/a"}), frozenset({leaked, "again/b"})}
    assert keys[frozenset({leaked, "again/b"})]["across"]
    assert {(pair["picture"], pair["sound"]) for pair in pairs} == {(0.0, 0.0)}


def test_two_data_sets_are_compared(shards, copied_shards, capsys):
    lint(shards, f"--also={copied_shards}", code=1)
    assert "duplicates: 12, 0 of them across splits" in capsys.readouterr().out


def test_classes_that_do_not_fit_are_told(tmp_path, capsys):
    for number in range(12):
        write_clicking_square(tmp_path / "in" / "train" / "dog" / f"{number}.mp4", number, seconds=2.2)
    write_clicking_square(tmp_path / "in" / "train" / "cat" / "1.mp4", 20, seconds=2.2)
    write_clicking_square(tmp_path / "in" / "test" / "bird" / "1.mp4", 30, seconds=2.2)
    shards = build(MediaFolder(str(tmp_path / "in")), tmp_path / "out").output
    edit(shards, "train", 3, text="a hound")
    lint(shards, code=1)
    told = capsys.readouterr().out
    assert "  test: has classes that train lacks: bird" in told
    assert "note: train is uneven: 12 clips of dog, 1 of cat" in told
    assert "note: dog has several texts: ['a hound', 'dog']" in told


def test_a_key_in_two_splits_is_found(copied_shards, capsys):
    samples = Dataset.open(copied_shards).samples("train")
    write_split(copied_shards, "validation", samples[:1])
    description = dict(Dataset.open(copied_shards).description)
    write_description(copied_shards, description | {"splits": description["splits"] | {"validation": 1}})
    lint(copied_shards, code=1)
    told = capsys.readouterr().out
    assert f"{samples[0].key} in {copied_shards}: belongs to train and validation; a key is unique" in told


def test_an_interrupted_start_is_continued(shards, tmp_path, monkeypatch, capsys):
    looked = []

    def stopped(item):
        if len(looked) == 5:
            raise KeyboardInterrupt
        looked.append(item.name)
        return inspect(item)

    inspect = lint_module.inspect
    report = tmp_path / "lint.json"
    monkeypatch.setattr(sys.modules["asva_lightning.data.lint"], "inspect", stopped)
    lint(shards, f"--report={report}", code=130)
    assert "interrupted: samples: 5 of 12, 0 failed. The same command continues.\n" in capsys.readouterr().err
    assert not report.exists()
    monkeypatch.setattr(lint_module, "inspect", lambda item: looked.append(item.name) or inspect(item))
    lint(shards, f"--report={report}")
    assert len(looked) == len(set(looked)) == 12
    assert "nothing is wrong" in capsys.readouterr().out


def test_shards_without_a_manifest_are_refused(shards, tmp_path, capsys):
    shutil.copy(shards / "train-000000.tar", tmp_path)
    lint(f"{tmp_path}/*.tar", code=1)
    assert "has no manifest. This command needs one: build the shards with" in capsys.readouterr().err
