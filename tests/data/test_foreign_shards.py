"""Shards that another tool wrote with nothing but tar and JSON, good ones and wrong ones, in a whole training."""

import io
import json
import logging
import pickle
import tarfile
from pathlib import Path

import pytest
from fit_helpers import fit
from shard_helpers import FORMAT

from asva_lightning.data import ClipDataModule
from asva_lightning.data.clips import LARGEST
from asva_lightning.errors import ShardsError, TooManyBadClips


class Shards:
    """Writes a folder as shards/README.md specifies it."""

    def __init__(self, folder: Path, clip_folder: Path):
        self.folder = folder
        self.media = [path.read_bytes() for path in sorted((clip_folder / "videos").rglob("*.mp4"))]

    def write(self, counts, change=None, extra=()):
        """Tars and manifests of some splits; ``change`` may alter each line, ``extra`` members stand in each tar."""
        media = iter(self.media)
        for split, count in counts.items():
            members = list(extra)
            for number in range(count):
                about = {"text": "dog barking", "category": "dog", "seconds": 3.0, "fps": 12.0}
                members += [
                    (f"dog/{split}{number}.json", json.dumps(about).encode()),
                    (f"dog/{split}{number}.mp4", next(media)),
                ]
            tar = self.folder / f"{split}-000000.tar"
            with tarfile.open(tar, "w", format=tarfile.GNU_FORMAT) as archive:
                for name, content in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
            with tarfile.open(tar) as archive:
                lines = [
                    about | {"key": member.name.removesuffix(".mp4"), "shard": tar.name, "media": "mp4",
                             "offset": member.offset_data, "size": member.size}
                    for member in archive
                    if member.name.startswith("dog/") and member.name.endswith(".mp4")
                ]  # fmt: skip
            lines = [change(split, number, line) if change else line for number, line in enumerate(lines)]
            (self.folder / f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        description = {"layout": "asva-shards/1", "made_from": {"source": "another tool"}, "splits": counts}
        (self.folder / "dataset.json").write_text(json.dumps(description))
        return self.folder


@pytest.fixture
def shards(tmp_path, clip_folder):
    (tmp_path / "shards").mkdir()
    return Shards(tmp_path / "shards", clip_folder)


def test_shards_of_plain_tar_and_json_train(shards, tmp_path):
    task = fit(shards.write({"train": 6, "test": 2}), tmp_path, steps=3, workers=1)
    assert task.trained == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert set(task.validated) <= {"dog/test0", "dog/test1"}
    assert task.scale != 0
    assert not task.bad


def test_the_same_tars_train_without_their_manifest(shards, tmp_path, caplog):
    folder = shards.write({"train": 6, "test": 2})
    other = shards.folder.parent / "bare"
    other.mkdir()
    (folder / "train-000000.tar").rename(other / "train-000000.tar")
    (folder / "train.jsonl").unlink()
    description = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(description | {"splits": {"test": 2}}))
    with caplog.at_level(logging.WARNING):
        task = fit(f"{other}/*.tar", tmp_path, steps=3, evaluation_shards=str(folder))
    assert task.trained == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert caplog.text.count("has no manifest: the shards are streamed") == 1
    assert task.states == [{"consumed": 8}]


def test_members_that_nobody_asked_for_do_no_harm(shards, tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return Path.touch, (trace,)

    extra = [
        ("../../escape.mp4", b"x"),
        ("/etc/cron.mp4", b"x"),
        ("dog/x.pkl", pickle.dumps(Evil())),
        ("dog/\udcff", b"x"),
    ]
    task = fit(shards.write({"train": 6, "test": 2}, extra=extra), tmp_path, steps=2)
    assert len(task.trained) == 2
    assert not task.bad
    assert not trace.exists()


def test_a_gigantic_sample_is_skipped_unread_and_counted(shards, tmp_path):
    def change(split, number, line):
        return line | {"size": LARGEST + 1} if (split, number) == ("train", 2) else line

    task = fit(shards.write({"train": 6, "test": 2}, change), tmp_path, steps=3)
    assert {(bad.key, bad.reason) for bad in task.bad} == {
        ("dog/train2", "is 1.0 GiB large, more than 1 GiB; cut it into clips")
    }


def test_a_truncated_tar_is_skipped_and_counted(shards, tmp_path):
    folder = shards.write({"train": 6, "test": 2})
    with (folder / "train-000000.tar").open("r+b") as file:
        file.truncate(file.seek(0, 2) // 2)
    task = fit(folder, tmp_path, steps=3)
    assert {bad.reason for bad in task.bad} == {"the shard ends before this sample does; it is truncated"}
    assert {bad.shard for bad in task.bad} == {str(folder / "train-000000.tar")}


def test_a_place_that_is_wrong_throughout_is_an_error(shards, tmp_path):
    folder = shards.write(
        {"train": 6, "test": 2}, lambda split, _, line: line | {"offset": 0} if split == "train" else line
    )
    with pytest.raises(TooManyBadClips, match=r"10 clips in a row .*cannot be read: Invalid data"):
        fit(folder, tmp_path, steps=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "../../x"}, r"train\.jsonl, line 1 has the key '\.\./\.\./x', which is not <category>/<name>"),
        ({"shard": "/etc/passwd"}, r"line 1 names a shard outside its folder: '/etc/passwd'"),
        ({"shard": "gone.tar"}, r"Shard .*gone\.tar is missing, although .*train\.jsonl names it"),
        ({"key": "dog/train1"}, "names 2 samples 'dog/train1'; a key is unique"),
        ({"seconds": None}, "line 1 is not a sample: seconds is None"),
        ({"pickle": "x"}, "line 1 is not a sample: unknown fields .'pickle'."),
    ],
)
def test_a_manifest_that_does_not_fit_is_one_clear_error_before_training(shards, change, message):
    folder = shards.write(
        {"train": 6, "test": 2}, lambda split, n, line: line | change if (split, n) == ("train", 0) else line
    )
    module = ClipDataModule(str(folder), FORMAT, workers=0)
    module.prepare_data()
    with pytest.raises(ShardsError, match=message):
        module.setup("fit")
