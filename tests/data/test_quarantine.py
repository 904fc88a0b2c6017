"""The list of bad clips that a run writes and a later one reads."""

import json
import logging
import shutil
from dataclasses import asdict

import pytest
from shard_helpers import FORMAT, first, same, spoil

from asva_lightning.data import ClipDataModule
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.quarantine import Quarantine, _place, _warn
from asva_lightning.errors import ConfigurationError


def data(shards, **options):
    return ClipDataModule(str(shards), FORMAT, **{"batch_size": 4, "workers": 0, **options})


@pytest.fixture(autouse=True)
def not_warned_yet():
    """What another test has made this process say once may be said again."""
    _warn.cache_clear()


@pytest.fixture
def spoiled(copied_shards):
    """Shards of which two training clips and one test clip are garbage, and their list as a run writes it."""
    samples = Dataset.open(copied_shards).samples("train")
    spoil(copied_shards, [samples[2], samples[7], Dataset.open(copied_shards).samples("test")[1]])
    module = data(copied_shards)
    met = {bad for batch in [*first(module.train_dataloader(), 9), *module.val_dataloader()] for bad in batch.bad}
    list_file = copied_shards.parent / "bad_clips.jsonl"
    list_file.write_text("".join(json.dumps(asdict(bad)) + "\n" for bad in met))
    assert len(met) == 3
    return copied_shards, list_file


def test_a_later_run_opens_none_of_them_and_sees_the_same_clips(spoiled, caplog):
    shards, listed = spoiled
    before, after = data(shards), data(shards, quarantine=str(listed))
    with caplog.at_level(logging.WARNING):
        after.setup("fit")
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 9 train clips are in quarantine and not opened",
        "1 of 3 test clips are in quarantine and not opened",
    ]
    for make in ("train_dataloader", "val_dataloader"):
        one, other = (first(getattr(module, make)(), 9) for module in (before, after))
        assert len(one) == len(other)
        for mine, theirs in zip(one, other):
            assert same(mine, theirs)
            assert mine.keys == theirs.keys
            assert mine.real.equal(theirs.real)
        assert any(batch.bad for batch in one)
        assert not any(batch.bad for batch in other)


def test_a_data_set_may_be_moved_as_a_whole_but_not_renamed(spoiled, tmp_path, caplog):
    shards, listed = spoiled
    moved = shutil.copytree(shards, tmp_path / "elsewhere" / shards.name)
    quarantine = Quarantine.read(listed)
    assert quarantine.count(Dataset.open(moved).samples("train")) == 2
    renamed = shutil.copytree(shards, tmp_path / "another")
    assert not caplog.records
    for split in ("train", "test"):
        assert quarantine.count(Dataset.open(renamed).samples(split)) == 0
    (record,) = caplog.records
    assert "names clips of copied, but none of another. A clip is known by its key, and the" in record.getMessage()


def test_most_of_a_data_set_may_be_in_quarantine(shards, tmp_path):
    samples = Dataset.open(shards).samples("train")
    listed = tmp_path / "list.jsonl"
    listed.write_text("".join(json.dumps({"shard": s.address, "key": s.key}) + "\n" for s in samples[1:]))
    batches = first(data(shards, quarantine=str(listed)).train_dataloader(), 5)
    assert {key for batch in batches for key in batch.keys} == {samples[0].key}
    with listed.open("a") as file:
        file.write(json.dumps({"shard": samples[0].address, "key": samples[0].key}) + "\n")
    with pytest.raises(ConfigurationError, match=r"All 9 train clips of .* are in quarantine\. Shorten .*list\.jsonl"):
        data(shards, quarantine=str(listed)).setup("fit")


def test_a_stream_without_manifest_obeys_too(shards, tmp_path):
    samples = Dataset.open(shards).samples("train")
    listed = tmp_path / "list.jsonl"
    bare = tmp_path / "bare"
    bare.mkdir()
    for shard in shards.glob("train-*.tar"):
        shutil.copy(shard, bare)
    listed.write_text("".join(json.dumps({"shard": f"bare/{s.shard}", "key": s.key}) + "\n" for s in samples[:8]))
    module = data(f"{bare}/*.tar", quarantine=str(listed), batch_size=2)
    assert {key for batch in first(module.train_dataloader(), 4) for key in batch.keys} == {samples[8].key}


def test_wrong_lists_are_refused(shards, tmp_path):
    with pytest.raises(ConfigurationError, match=r"quarantine list nowhere does not exist\. Give the bad_clips\.jsonl"):
        data(shards, quarantine="nowhere").setup("fit")
    (tmp_path / "list.jsonl").write_text('{"key": "dog/1"}\n')
    with pytest.raises(ConfigurationError, match=r"list\.jsonl, entry 1 names no clip: it needs the texts 'shard' and"):
        data(shards, quarantine=str(tmp_path / "list.jsonl")).setup("fit")
    (tmp_path / "list.jsonl").write_text("shard,key\na.tar,dog/1\n")
    with pytest.raises(
        ConfigurationError, match=r"list\.jsonl is no quarantine list: 2 of its 2 lines are no JSON obj"
    ):
        data(shards, quarantine=str(tmp_path / "list.jsonl")).setup("fit")


def test_a_list_may_have_a_torn_line_or_nothing(tmp_path):
    listed = tmp_path / "list.jsonl"
    listed.write_text('{"shard": "clips/a.tar", "key": "dog/1"}\n{"shard": "clips/a')
    assert Quarantine.read(listed).holds("clips/a.tar", "dog/1")
    listed.write_text("\n")
    assert Quarantine.read(listed) == Quarantine()


def test_keys_that_a_shard_lacks_are_warned_of(shards, caplog):
    samples = Dataset.open(shards).samples("train")
    quarantine = Quarantine(frozenset({(_place(samples[0].address), key) for key in (samples[0].key, "dog/none")}))
    assert quarantine.count(samples) == 1
    (record,) = caplog.records
    assert (
        "names 1 clips that their shards do not hold, or that are too short, such as dog/none." in record.getMessage()
    )
