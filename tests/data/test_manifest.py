"""The manifest: what is read back, and what is refused."""

import json

import pytest

from asva_lightning.data.manifest import Dataset, SampleRecord, write_description, write_split
from asva_lightning.errors import ShardsError

SAMPLE = SampleRecord("dog/1", "train-000000.tar", "mp4", 512, 9, "dog barking", "dog", 2.5, 29.97, {"onsets": [0.5]})


DESCRIBED = '{"layout": "asva-shards/1", "made_from": {}, '


def line(**changes) -> str:
    """A line of a manifest, with changes."""
    kept = {name: value for name, value in vars(SAMPLE).items() if name != "folder"}
    return json.dumps(kept | {"key": "dog/2"} | changes)


def count(folder, samples) -> None:
    write_description(folder, {"made_from": {"source": "test"}, "splits": {"train": samples}})


@pytest.fixture
def folder(tmp_path):
    count(tmp_path, 1)
    write_split(tmp_path, "train", [SAMPLE])
    (tmp_path / "train-000000.tar").write_bytes(b"")
    return tmp_path


def test_samples_are_read_as_they_were_written(folder):
    dataset = Dataset.open(str(folder))
    assert dataset.splits == ("train",)
    assert dataset.samples("train") == [SAMPLE]


def test_texts_may_hold_any_character(folder):
    odd = SampleRecord("dog/2", "train-000000.tar", "mp4", 0, 0, "bark\u2028\u0085 \u00e9\n", "dog", 2.0, 25.0)
    write_split(folder, "train", [odd, SAMPLE])
    count(folder, 2)
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
        ("[" * 100_000, "is damaged: maximum recursion depth"),
        ('{"layout": ' + "1" * 5000, "is damaged: Exceeds the limit"),
        (DESCRIBED + '"splits": {"../x": 1}}', r"names a split outside its folder: '\.\./x'"),
        (DESCRIBED + '"splits": {}, "texts": ["dog"]}', "is damaged: `texts` is no object of texts"),
    ],
)
def test_a_damaged_description_is_refused(folder, content, message):
    (folder / "dataset.json").write_text(content)
    with pytest.raises(ShardsError, match=rf"dataset\.json .*{message}|dataset\.json {message}"):
        Dataset.open(folder)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{", "line 2 is not a sample"),
        ("7", "line 2 is not a sample"),
        ('{"key": "dog/2"}', "line 2 is not a sample: .*missing.*Build the shards again"),
        (line(colour=1), "line 2 is not a sample: .*colour"),
        (line(folder="/etc"), "line 2 is not a sample: .*folder"),
        (line(seconds="3"), "line 2 is not a sample: seconds is '3'"),
        (line(offset=1.5), "line 2 is not a sample: offset is 1.5"),
        (line(size=True), "line 2 is not a sample: size is True"),
        (line(extra=[]), "line 2 is not a sample: extra is"),
        (line(seconds=float("nan")), "line 2 is not a sample: seconds nan"),
        (line(fps=10**400), "line 2 is not a sample: seconds 2.5, fps 1000"),
        ("[" * 100_000, "line 2 is not a sample: maximum recursion depth"),
        ('{"size": ' + "1" * 5000, "line 2 is not a sample: Exceeds the limit"),
        (line(size=2**63), "line 2 places its media at byte 512, 9223372036854775808 bytes long"),
        (line(tensors={"times": {}}), "line 2 names tensors, but dataset.json has no entry `encoded`"),
        (line(offset=-1), "line 2 places its media at byte -1, 9 bytes long"),
        (line(key="dog/../../x"), r"line 2 has the key 'dog/../../x', which is not <category>/<name> without dots"),
        (line(key="/dog"), "line 2 has the key '/dog', which is not"),
        (line(key="dog/1"), "names 2 samples 'dog/1'; a key is unique. Build the shards again"),
        (line(shard="../x.tar"), "line 2 names a shard outside its folder: '../x.tar'"),
        (line(shard="x.tar"), "x.tar is missing, although .*train.jsonl names it"),
    ],
)
def test_a_damaged_line_is_refused(folder, written, message):
    with (folder / "train.jsonl").open("a") as file:
        file.write(written + "\n")
    with pytest.raises(ShardsError, match=message):
        Dataset.open(folder).samples("train")


@pytest.mark.parametrize("samples", [2, 0, "1", None])
def test_another_number_of_samples_than_counted_is_refused(folder, samples):
    count(folder, samples)
    message = rf"train\.jsonl names 1 samples, but dataset\.json counts {samples!r}: one of them was changed, or copied"
    with pytest.raises(ShardsError, match=message):
        Dataset.open(folder).samples("train")


@pytest.mark.parametrize(
    ("audio_step", "lacking"),
    [
        (None, "times and the tensor latents and the tensor waveform"),
        (0.5, "times and the tensor latents and the tensor waveform and the tensor audio"),
    ],
)
def test_a_sample_without_its_tensors_is_refused(folder, audio_step, lacking):
    about = {"made_from": {}, "splits": {"train": 1}, "encoded": {"audio_step": audio_step}}
    write_description(folder, about)
    message = rf"train\.jsonl, line 1 lacks the tensor {lacking}\. Encode the shards again"
    with pytest.raises(ShardsError, match=message):
        Dataset.open(folder).samples("train")


def test_an_unknown_or_empty_split_is_refused(folder):
    with pytest.raises(ShardsError, match="has no split 'test', only train. Choose one of these, or build"):
        Dataset.open(folder).samples("test")
    (folder / "train.jsonl").write_text("\n")
    with pytest.raises(ShardsError, match="split 'train' of .* is empty"):
        Dataset.open(folder).samples("train")


def test_a_manifest_without_checksums_is_read(folder):
    old = json.loads(line())
    del old["sha256"], old["extra"]
    (folder / "train.jsonl").write_text(json.dumps(old) + "\n")
    (sample,) = Dataset.open(folder).samples("train")
    assert (sample.sha256, sample.extra, sample.address) == ("", {}, str(folder / "train-000000.tar"))


def test_a_manifest_that_is_no_text_is_refused(folder):
    (folder / "train.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ShardsError, match=r"train\.jsonl is no UTF-8 text .*Build the shards again"):
        Dataset.open(folder).samples("train")


def test_a_folder_may_be_limited_to_some_shards(folder):
    other = SampleRecord("dog/9", "test-000000.tar", "mp4", 512, 9, "dog barking", "dog", 2.5, 29.97)
    write_description(folder, {"made_from": {"source": "test"}, "splits": {"train": 1, "test": 1}})
    write_split(folder, "test", [other])
    view = Dataset.open(folder, only=["train-000000.tar"])
    assert view.splits == ("train",)
    assert view.samples("train") == [SAMPLE]
