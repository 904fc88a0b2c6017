"""The manifest: what is read back, and what is refused."""

import json

import pytest

from asva_lightning.data.manifest import Dataset, SampleRecord, write_description, write_split
from asva_lightning.errors import ShardsError

SAMPLE = SampleRecord("dog/1", "train-000000.tar", "mp4", 512, 9, "dog barking", "dog", 2.5, 29.97, {"onsets": [0.5]})


@pytest.fixture
def folder(tmp_path):
    write_description(tmp_path, {"made_from": {"source": "test"}, "splits": {"train": 1}})
    write_split(tmp_path, "train", [SAMPLE])
    (tmp_path / "train-000000.tar").write_bytes(b"")
    return tmp_path


def test_samples_are_read_as_they_were_written(folder):
    dataset = Dataset.open(str(folder))
    assert dataset.splits == ("train",)
    assert dataset.samples("train") == [SAMPLE]


def test_texts_may_hold_any_character(folder):
    odd = SampleRecord("dog/1", "train-000000.tar", "mp4", 0, 0, "bark\u2028\u0085 \u00e9\n", "dog", 2.0, 25.0)
    write_split(folder, "train", [odd, SAMPLE])
    assert Dataset.open(folder).samples("train") == [odd, SAMPLE]


def test_missing_shards_say_how_to_make_them(tmp_path):
    with pytest.raises(
        ShardsError, match=r"No shards in .*none: .*dataset\.json is missing.*shards build CLIPS .*none"
    ):
        Dataset.open(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged: .*Build the shards again"),
        ("[]", "holds no JSON object"),
        ('{"splits": {}}', "is of layout None, not 'asva-shards/1'"),
        ('{"layout": "asva-shards/1", "splits": []}', "has no made_from and no splits"),
    ],
)
def test_a_damaged_description_is_refused(folder, content, message):
    (folder / "dataset.json").write_text(content)
    with pytest.raises(ShardsError, match=rf"dataset\.json .*{message}|dataset\.json {message}"):
        Dataset.open(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not a sample"),
        ("7", "line 2 is not a sample"),
        ('{"key": "dog/2"}', "line 2 is not a sample: .*missing.*Build the shards again"),
        (json.dumps(vars(SAMPLE) | {"colour": 1}), "line 2 is not a sample: .*colour"),
        (json.dumps(vars(SAMPLE) | {"shard": "../x.tar"}), "line 2 names a shard outside its folder: '../x.tar'"),
        (json.dumps(vars(SAMPLE) | {"shard": "x.tar"}), "x.tar is missing, although .*train.jsonl names it"),
    ],
)
def test_a_damaged_line_is_refused(folder, line, message):
    with (folder / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ShardsError, match=message):
        Dataset.open(folder).samples("train")


def test_an_unknown_or_empty_split_is_refused(folder):
    with pytest.raises(ShardsError, match="has no split 'test', only train. Choose one of these, or build"):
        Dataset.open(folder).samples("test")
    (folder / "train.jsonl").write_text("\n")
    with pytest.raises(ShardsError, match="split 'train' of .* is empty"):
        Dataset.open(folder).samples("train")
