"""Tars without a manifest: what a stream of them gives, and what it makes of wrong ones."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest
from shard_helpers import FORMAT, first
from web_server import serve

import asva_lightning.data.streaming as streaming
from asva_lightning.data.batch import BadClip
from asva_lightning.data.loader import Reading, TrainingLoader
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.quarantine import Quarantine, _place
from asva_lightning.data.streaming import StreamedClips, tar_samples
from asva_lightning.errors import ConfigurationError, ShardsError, TooManyBadClips

ABOUT = {"text": "dog barking", "category": "dog"}


@pytest.fixture(autouse=True)
def small_buffer(monkeypatch):
    monkeypatch.setattr(streaming, "BUFFER", 2)


@pytest.fixture
def media(clip_folder) -> bytes:
    return min((clip_folder / "videos").rglob("*.mp4")).read_bytes()


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return str(path)


def loader(shards, batch_size=3, rank=0, world_size=1, workers=0, **options):
    clips = StreamedClips(tuple(shards), FORMAT, 0, rank=rank, world_size=world_size, **options)
    return TrainingLoader(clips, batch_size, rank, world_size, Reading(workers))


def tars(shards) -> list[str]:
    return sorted(str(path) for path in shards.glob("train-*.tar"))


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (1, 2), (2, 2), (2, 0), (4, 1)])
def test_ranks_and_workers_share_the_clips_of_a_pass(shards, ranks, workers):
    """With 3 tars: more, as many, and fewer than there are readers."""
    keys = {sample.key for sample in Dataset.open(shards).samples("train")}
    met, positions = [], []
    for rank in range(ranks):
        for batch in first(loader(tars(shards), 3, rank, ranks, workers), 12 // ranks):
            met += batch.keys
            positions += batch.positions.tolist()
    assert set(met) == keys
    assert len(set(positions)) == len(positions), "a position, and so its noise, must never be met twice"
    assert max(met.count(key) for key in keys) <= 3 + 36 // 9


def test_a_stream_far_away_is_the_stream_on_disk(shards):
    with serve(shards) as (root, _):
        there = first(loader([f"{root}/{Path(tar).name}" for tar in tars(shards)]), 4)
    here = first(loader(tars(shards)), 4)
    assert [batch.keys for batch in here] == [batch.keys for batch in there]
    assert [batch.starts.tolist() for batch in here] == [batch.starts.tolist() for batch in there]


def test_a_stream_that_goes_on_draws_anew(shards):
    stream = loader(tars(shards))
    batches = first(stream, 3)
    stream.trained(batches[1])
    assert stream.state_dict() == {"consumed": 6}
    resumed = loader(tars(shards))
    resumed.load_state_dict(stream.state_dict())
    following = first(resumed, 2)
    assert [batch.positions.tolist() for batch in following] == [[6, 7, 8], [9, 10, 11]]
    assert [batch.consumed for batch in following] == [9, 12]


def test_shards_of_another_tool_need_no_json(tmp_path, media):
    shard = write_tar(
        tmp_path / "a.tar",
        [("dog_barking/1.mp4", media), ("cat/2.json", json.dumps(ABOUT).encode()), ("cat/2.MP4", media),
         ("bird/3.mp4", media), ("bird/3.txt", b" a bird sings\n")],
    )  # fmt: skip
    batches = first(loader([shard], 2), 6)
    told = {(key, text, category) for b in batches for key, text, category in zip(b.keys, b.texts, b.categories)}
    assert told == {("dog_barking/1", "dog barking", "dog_barking"), ("cat/2", "dog barking", "dog"),
                    ("bird/3", "a bird sings", "bird")}  # fmt: skip


class Evil:
    """A pickle that would leave a trace if anybody opened it."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


WRONG = {
    "an absolute name": ([("/etc/cron.mp4", b"x")], "/etc/cron.mp4", "its name is not <category>/<name>"),
    "a way out": ([("../../x.mp4", b"x")], "../../x.mp4", "its name is not <category>/<name>"),
    "no category": ([("x.mp4", b"x")], "x.mp4", "its name is not <category>/<name>"),
    "no UTF-8": ([("dog/\udcff.mp4", b"x")], "dog/?.mp4", "its name is no UTF-8"),
    "twice": ([("dog/1.mp4", None), ("dog/1.mp4", None)], "dog/1.mp4", "the tar has this name twice"),
    "a folder behind the dot": ([("dog/1.x/y.mp4", None)], "dog/1.x/y.mp4", "its name is not <category>/<name>"),
    "twice but for the case of the ending": (
        [("dog/1.mp4", None), ("dog/1.MP4", None)],
        "dog/1.MP4",
        "the tar has this name twice",
    ),
    "no media": ([("dog/7.json", b"{}")], "dog/7", "has no media file"),
    "no JSON": ([("dog/7.json", b"{"), ("dog/7.mp4", None)], "dog/7", "its text cannot be read"),
    "JSON of another kind": ([("dog/7.json", b"[1]"), ("dog/7.mp4", None)], "dog/7", "its JSON is no object"),
    "JSON too deep": ([("dog/7.json", b"[" * 100_000), ("dog/7.mp4", None)], "dog/7", "its text cannot be read"),
    "JSON with a long number": (
        [("dog/7.json", b'{"text": ' + b"1" * 5000 + b"}"), ("dog/7.mp4", None)],
        "dog/7",
        "its text cannot be read",
    ),
    "no text": ([("dog/7.json", b'{"text": 3}'), ("dog/7.mp4", None)], "dog/7", "text and category of its JSON"),
    "no clip": ([("dog/7.mp4", b"nothing that FFmpeg knows")], "dog/7", "cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_skipped_and_counted(tmp_path, media, kind):
    wrong, key, reason = WRONG[kind]
    members = [(name, media if content is None else content) for name, content in wrong]
    shard = write_tar(tmp_path / "a.tar", [*members, ("cat/1.mp4", media), ("cat/2.mp4", media)])
    bad = {(bad.key, bad.shard, bad.reason) for batch in first(loader([shard], 1), 8) for bad in batch.bad}
    assert [entry for entry in bad if entry[0] == key and entry[1] == shard and reason in entry[2]], bad


def test_a_pickle_is_never_opened(tmp_path, media):
    trace = tmp_path / "trace"
    evil = pickle.dumps(Evil(trace))
    names = ("dog/1.pkl", "dog/1.pickle", "dog/1.pyd", "dog/1.npy", "dog/1.pth", "dog/1.json")
    shard = write_tar(
        tmp_path / "a.tar", [*((name, evil) for name in names), ("dog/1.mp4", media), ("cat/1.mp4", media)]
    )
    batches = first(loader([shard], 1), 4)
    assert {key for batch in batches for key in batch.keys} == {"cat/1"}
    assert not trace.exists()


def test_a_gigantic_member_is_passed_over_unread(tmp_path, media, monkeypatch):
    monkeypatch.setattr(streaming, "LARGEST", len(media))
    shard = write_tar(tmp_path / "a.tar", [("dog/1.mp4", media + b"x"), ("dog/2.mp4", media)])
    samples = list(tar_samples(shard))
    assert [sample["__key__"] for sample in samples if isinstance(sample, dict)] == ["dog/2"]
    (bad,) = [sample for sample in samples if isinstance(sample, BadClip)]
    assert (bad.key, bad.reason.endswith("more than 1 GiB; cut it into clips")) == ("dog/1.mp4", True)


def test_a_truncated_tar_gives_what_is_left(tmp_path, shards):
    content = Path(tars(shards)[0]).read_bytes()
    cut = Dataset.open(shards).samples("train")[1]
    (tmp_path / "a.tar").write_bytes(content[: cut.offset + 100])
    samples = list(tar_samples(str(tmp_path / "a.tar")))
    good = [sample["__key__"] for sample in samples if isinstance(sample, dict)]
    reasons = [sample.reason for sample in samples if isinstance(sample, BadClip)]
    assert good == [Dataset.open(shards).samples("train")[0].key]
    assert any("the shard cannot be read any further: unexpected end of data" in reason for reason in reasons)


def test_a_header_that_cannot_be_understood_ends_a_tar(tmp_path, media):
    shard = write_tar(tmp_path / "a.tar", [("dog/1.mp4", media)])
    sparse = tarfile.TarInfo("dog/2.mp4")
    sparse.pax_headers = {"GNU.sparse.map": "x"}
    with tarfile.open(shard, "a") as archive:
        archive.addfile(sparse)
    bad, good = tar_samples(shard)  # the good one is whole only where the tar ends
    assert good["__key__"] == "dog/1"
    assert bad.reason.startswith("the shard cannot be read any further: invalid literal for int()")


def test_samples_in_quarantine_never_stop_a_stream_silently(shards):
    samples = Dataset.open(shards).samples("train")
    names = [(sample.address, sample.key) for sample in samples]

    def listed(kept):
        return Quarantine(frozenset((_place(address), key) for address, key in names if key not in kept))

    with pytest.raises(
        ConfigurationError, match=r"All samples of the shards .*train-000000\.tar \.\.\. are in quarantine"
    ):
        first(loader(tars(shards), quarantine=listed([])), 1)
    one = samples[4].key
    for readers in (2, 3, 4):  # fewer than there are tars, as many, and more
        for rank in range(readers):
            batches = first(loader(tars(shards), 1, rank, readers, quarantine=listed([one])), 2)
            assert [batch.keys for batch in batches] == [(one,), (one,)]


def test_nothing_but_garbage_is_an_error(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"garbage" * 1000)
    with pytest.raises(TooManyBadClips, match=r"10 clips in a row could not be read.*a\.tar"):
        first(loader([str(tmp_path / "a.tar")]), 1)
    with pytest.raises(ShardsError, match=r"a\.tar \.\.\. hold no samples\. A sample is a media file"):
        first(loader([write_tar(tmp_path / "a.tar", [("README", b"nothing")])]), 1)


def test_clips_that_are_too_short_are_skipped(shards):
    clips = StreamedClips(tuple(tars(shards)), FORMAT.__class__(frames=20, fps=4, height=16, width=16), 0)
    with pytest.raises(TooManyBadClips, match=r"is 3\.\d\d s long, shorter than 5\.00 s"):
        first(TrainingLoader(clips, 1), 1)
