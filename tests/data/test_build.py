"""Building shards and plain folders: what is in them, what is left out, and what happens when a build is stopped."""

import json
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import webdataset
from clip_files import CLASSES

from asva_lightning.data import (
    ClipSource,
    MadeClip,
    MediaFolder,
    SynthSync,
    SynthSyncSource,
    build,
    build_part,
    packing,
)
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError, ShardsError

SMALL = SynthSync(kinds=["lamp", "frog"], train=2, validation=1, test=1, height=24, width=24, two_objects=0.0)


@dataclass
class Interrupted(ClipSource):
    """Passes another source on; notes what is made, and is stopped at one item."""

    source: ClipSource
    stop: int | None = None
    made: list = field(default_factory=list)

    def items(self):
        return self.source.items()

    def make(self, item, folder):
        if len(self.made) == self.stop:
            raise KeyboardInterrupt
        self.made.append(item.key)
        return self.source.make(item, folder)

    def describe(self):
        return self.source.describe()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def media_of(shards):
    """The media bytes of every sample by (split, key), by way of the manifest."""
    dataset, media = Dataset.open(shards), {}
    for split in dataset.splits:
        for sample in dataset.samples(split):
            content = (shards / sample.shard).read_bytes()[sample.offset : sample.offset + sample.size]
            media[split, sample.key] = content
    return media


def test_shards_are_plain_webdataset(shards, clip_folder):
    read = {}
    for number in range(3):
        path = shards / f"train-{number:06d}.tar"
        for sample in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False):
            read[sample["__key__"]] = sample["mp4"], json.loads(sample["json"])
    listed = (clip_folder / "train.txt").read_text().split()
    assert len(read) == len(listed) == 9
    for name in listed:
        media, about = read[name.removesuffix(".mp4").replace(".", "_")]
        assert media == (clip_folder / "videos" / name).read_bytes()
        category = name.split("/")[0]
        assert about == {
            "text": CLASSES[category],
            "category": category,
            "seconds": pytest.approx(3, abs=0.05),
            "fps": pytest.approx(12),
        }


def test_the_manifest_says_where_the_bytes_are(shards):
    dataset = Dataset.open(shards)
    for split in ("train", "test"):
        for sample in dataset.samples(split):
            with tarfile.open(shards / sample.shard) as archive:
                member = archive.getmember(f"{sample.key}.{sample.media}")
                assert (sample.offset, sample.size) == (member.offset_data, member.size)
                content = archive.extractfile(member).read()
            assert media_of(shards)[split, sample.key] == content
    assert [sample.shard for sample in dataset.samples("train")] == [f"train-{n // 3:06d}.tar" for n in range(9)]


def test_tars_hold_nothing_but_pairs_of_members(shards):
    with tarfile.open(shards / "test-000000.tar") as archive:
        names = archive.getnames()
        assert all(member.isfile() and member.mtime == 0 for member in archive)
    keys = [sample.key for sample in Dataset.open(shards).samples("test")]
    assert names == [f"{key}.{extension}" for key in keys for extension in ("json", "mp4")]


def test_the_description_tells_what_the_shards_are(shards):
    read = json.loads((shards / "dataset.json").read_text())
    assert read == {
        "layout": "asva-shards/1",
        "made_from": {
            "source": "folder",
            "path": "clips",
            "test_share": 0.1,
            "minimum_seconds": 2.0,
        },
        "splits": {"train": 9, "test": 3},
        "texts": CLASSES,
        "left_out": [],
    }
    names = sorted(path.name for path in shards.iterdir())
    assert names == [
        "dataset.json",
        "test-000000.tar",
        "test.jsonl",
        *(f"train-{number:06d}.tar" for number in range(3)),
        "train.jsonl",
    ]


def test_times_of_events_come_with_synthetic_clips(synth_shards):
    sample = Dataset.open(synth_shards).samples("validation")[1]
    clips = SynthSync(kinds=["drum", "hammer", "firework"], train=16, validation=4, test=8, height=32, width=32)
    clip = clips.render("validation", 1)
    assert sample.key == f"hammer/{clip.key}"
    assert sample.extra == clip.description()
    with tarfile.open(synth_shards / sample.shard) as archive:
        about = json.load(archive.extractfile(f"{sample.key}.json"))
    assert about == {"category": "hammer", **clip.description()}
    assert (sample.seconds, sample.fps, sample.text) == (clip.seconds, 30, clip.text)


def damaged_folder(clip_folder, tmp_path):
    folder = Path(shutil.copytree(clip_folder, tmp_path / "damaged"))
    names = (folder / "train.txt").read_text().split()
    for name in names[:2]:
        (folder / "videos" / name).write_bytes(b"")
    (folder / "train.txt").write_text("\n".join([*names, "hammering/lost.mp4"]))
    return folder, [name.removesuffix(".mp4").replace(".", "_") for name in names]


def test_what_is_left_out_is_reported_once_for_each_reason(clip_folder, tmp_path):
    folder, keys = damaged_folder(clip_folder, tmp_path)
    report = build(MediaFolder(str(folder)), tmp_path / "out")
    assert report.counts == {"train": 7, "test": 3}
    missing = "the list names this file, but it does not exist"
    assert report.left_out == [
        (keys[0], "is empty (0 bytes)."),
        (keys[1], "is empty (0 bytes)."),
        ("hammering/lost", missing),
    ]
    assert report.text.splitlines() == [
        f"{tmp_path / 'out'}: 7 train, 3 test clips, 3 left out",
        f"  {keys[0]}, {keys[1]}: is empty (0 bytes).",
        f"  hammering/lost: {missing}",
    ]
    description = Dataset.open(tmp_path / "out").description
    assert description["left_out"][2] == {"key": "hammering/lost", "reason": missing}
    assert [sample.key for sample in Dataset.open(tmp_path / "out").samples("train")] == keys[2:]


def test_a_file_that_no_training_would_read_is_left_out(clip_folder, tmp_path, monkeypatch):
    sizes = sorted(path.stat().st_size for path in (clip_folder / "videos").rglob("*.mp4"))
    monkeypatch.setattr("asva_lightning.data.media_file.LARGEST", sizes[-2])
    report = build(MediaFolder(str(clip_folder)), tmp_path / "out")
    assert (report.exit_code, sum(report.counts.values())) == (1, 11)
    message = "is 0.00 GiB large; training reads no file above 1 GiB. Encode it again, as with --height, or cut it"
    assert report.left_out[0][1].startswith(message)


def test_a_source_without_a_good_clip_leaves_nothing(clip_folder, tmp_path):
    with pytest.raises(ShardsError, match="No clip of 12 could be used, so nothing was written") as caught:
        build(MediaFolder(str(clip_folder), minimum_seconds=60), tmp_path / "out")
    assert "shorter than 60 s" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_output_that_exists_is_left_alone(clip_folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(ShardsError, match="out exists. Delete it or choose another name; nothing was changed"):
        build(MediaFolder(str(clip_folder)), tmp_path / "out")
    assert contents(tmp_path) == {"out/thesis.txt": b"mine"}


def test_shards_must_hold_something(clip_folder, tmp_path):
    with pytest.raises(ConfigurationError, match="--samples_per_shard must be at least 1, not 0"):
        build(MediaFolder(str(clip_folder)), tmp_path / "out", samples_per_shard=0)


@pytest.mark.parametrize("layout", ["shards", "folder"])
def test_a_stopped_build_goes_on_where_it_stopped(clip_folder, tmp_path, layout):
    source = MediaFolder(str(clip_folder))
    whole = build(source, tmp_path / "whole", layout).output
    first, second = Interrupted(source, stop=5), Interrupted(source)
    with pytest.raises(KeyboardInterrupt):
        build(first, tmp_path / "out", layout)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.partial", "whole"]
    report = build(second, tmp_path / "out", layout)
    assert first.made + second.made == [item.key for item in source.items()]
    assert len(second.made) == 7
    assert report.counts == {"train": 9, "test": 3}
    same = contents(tmp_path / "out") == contents(whole)
    assert same, "not compared in the assertion: a difference of megabytes takes hours to explain"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def stopped(*_):
    raise KeyboardInterrupt


def test_a_build_that_stopped_while_it_wrote_leaves_no_trace_in_the_next(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(packing, "write_split", stopped)
        with pytest.raises(KeyboardInterrupt):
            build(SynthSyncSource(SMALL), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    again = Interrupted(SynthSyncSource(SMALL))
    build(again, tmp_path / "out", "folder")
    assert again.made == []
    assert not list((tmp_path / "out").rglob("*.tar"))


def test_packing_goes_on_behind_the_shards_that_are_whole(clip_folder, tmp_path, monkeypatch):
    source, written = MediaFolder(str(clip_folder)), []
    whole = build(source, tmp_path / "whole", samples_per_shard=3).output
    write_tar = packing.write_tar

    def until_the_third(shard, samples):
        if len(written) == 2:
            (shard.parent / f".{shard.stem}.killed.tmp.tar").write_bytes(b"half")  # as a killed process leaves it
            raise KeyboardInterrupt
        noted(shard, samples)

    def noted(shard, samples):
        written.append(shard.name)
        write_tar(shard, samples)

    monkeypatch.setattr(packing, "write_tar", until_the_third)
    with pytest.raises(KeyboardInterrupt, match=r"shards of .*out: 2 of 4, 0 failed\. The same command continues\."):
        build(source, tmp_path / "out", samples_per_shard=3)
    monkeypatch.setattr(packing, "write_tar", noted)
    build(source, tmp_path / "out", samples_per_shard=3)
    assert written == ["train-000000.tar", "train-000001.tar", "train-000002.tar", "test-000000.tar"]
    same = contents(tmp_path / "out") == contents(whole)
    assert same, "not compared in the assertion: a difference of megabytes takes hours to explain"


def test_whole_shards_of_another_size_are_not_kept(clip_folder, tmp_path, monkeypatch):
    source = MediaFolder(str(clip_folder))
    with monkeypatch.context() as patched:
        patched.setattr(packing, "write_split", stopped)
        with pytest.raises(KeyboardInterrupt):
            build(source, tmp_path / "out", samples_per_shard=3)
    build(source, tmp_path / "out", samples_per_shard=9)
    samples = Dataset.open(tmp_path / "out").samples("train")
    assert {sample.shard for sample in samples} == {"train-000000.tar"}
    assert len(list((tmp_path / "out").glob("*.tar"))) == 2
    assert (
        media_of(tmp_path / "out")["train", samples[8].key]
        == (clip_folder / "videos" / (clip_folder / "train.txt").read_text().split()[8]).read_bytes()
    )


@pytest.mark.parametrize("layout", ["shards", "folder"])
def test_a_clip_that_failed_is_tried_again_at_the_next_start(clip_folder, tmp_path, layout):
    folder = Path(shutil.copytree(clip_folder, tmp_path / "clips"))
    source = MediaFolder(str(folder))
    whole = build(source, tmp_path / "whole", layout).output
    first = folder / "videos" / source.items()[0].origin
    good = first.read_bytes()
    first.write_bytes(b"")  # as on a disk that is out of order for a while
    build_part(source, tmp_path / "out", (1, 2))
    with pytest.raises(KeyboardInterrupt):
        build(Interrupted(source, stop=3), tmp_path / "out", layout)
    first.write_bytes(good)
    again = Interrupted(source)
    report = build(again, tmp_path / "out", layout)
    assert source.items()[0].key in again.made
    assert report.left_out == []
    same = contents(tmp_path / "out") == contents(whole)
    assert same, "not compared in the assertion: a difference of megabytes takes hours to explain"


def test_a_stopped_build_of_another_source_is_not_continued(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build(Interrupted(SynthSyncSource(SMALL), stop=1), tmp_path / "out")
    with pytest.raises(
        ConfigurationError, match=r"out\.partial/journal\.jsonl was begun with other settings .*seed: 0"
    ):
        build(SynthSyncSource(SynthSync(seed=1, train=2)), tmp_path / "out")


def test_a_stopped_build_may_be_continued_from_another_folder(tmp_path, clip_folder, monkeypatch):
    monkeypatch.chdir(clip_folder.parent)
    shutil.copytree(clip_folder, tmp_path / "a" / clip_folder.name)
    monkeypatch.chdir(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        build(Interrupted(MediaFolder(clip_folder.name), stop=11), "out")
    monkeypatch.chdir(tmp_path)
    build(MediaFolder(f"a/{clip_folder.name}"), "a/out")
    assert len(media_of(tmp_path / "a" / "out")) == 12


def test_two_workers_make_the_same_bytes_as_one(clip_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "WORTH_A_PROCESS", 1)
    alone = build(MediaFolder(str(clip_folder)), tmp_path / "alone").output
    together = build(MediaFolder(str(clip_folder)), tmp_path / "together", workers=2).output
    same = contents(alone) == contents(together)
    assert same, "not compared in the assertion: a difference of megabytes takes hours to explain"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "together"]


def test_a_plain_folder_and_back(tmp_path):
    direct = build(SynthSyncSource(SMALL), tmp_path / "direct").output
    folder = build(SynthSyncSource(SMALL), tmp_path / "folder", layout="folder").output
    back = build(MediaFolder(str(folder)), tmp_path / "back").output
    assert media_of(back).keys() == media_of(direct).keys()
    for (_, key), media in media_of(back).items():
        same = media == (folder / "videos" / f"{key}.mp4").read_bytes()
        assert same, key
    for split in ("train", "validation", "test"):
        there, here = (Dataset.open(shards).samples(split) for shards in (direct, back))
        assert [(s.key, s.text, s.category) for s in there] == [(s.key, s.text, s.category) for s in here]
        assert (folder / f"{split}.txt").read_text().split() == [f"{sample.key}.mp4" for sample in there]
    lines = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == [f"{key}.mp4" for _, key in media_of(direct)]
    assert lines[0]["onsets"] == Dataset.open(direct).samples("train")[0].extra["onsets"]
    assert {line["split"] for line in lines} == {"train", "validation", "test"}


def test_file_names_may_be_as_long_as_a_disk_allows(clip_folder, tmp_path):
    name = "x" * 200 + "é"
    (tmp_path / "in" / "dog").mkdir(parents=True)
    shutil.copy(min((clip_folder / "videos").rglob("*.mp4")), tmp_path / "in" / "dog" / f"{name}.mp4")
    shards = build(MediaFolder(str(tmp_path / "in"), test_share=0), tmp_path / "out").output
    assert list(media_of(shards)) == [("train", f"dog/{name}")]
    sample = next(iter(webdataset.WebDataset(str(shards / "train-000000.tar"), shardshuffle=False)))
    assert sample["__key__"] == f"dog/{name}"


def test_an_item_that_lies_about_its_file_is_a_programming_error(tmp_path):
    class Liar(Interrupted):
        def make(self, item, folder):
            return MadeClip(str(folder / "nothing.mp4"), 1.0, 6.0)

    with pytest.raises(FileNotFoundError):
        build(Liar(SynthSyncSource(SMALL)), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]
