"""What data.shards may name: folders, patterns, addresses, and lists of them."""

import logging
import shutil
from pathlib import Path

import fsspec
import pytest
from fit_helpers import fit
from shard_helpers import FORMAT, first, same, training_clips
from web_server import serve

from asva_lightning.data import ClipDataModule
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.mixture import BareShards, Mixture, open_shards
from asva_lightning.errors import ConfigurationError, ShardsError


def in_memory(shards: Path) -> str:
    """A copy of a folder of shards in fsspec's memory file system."""
    for file in shards.iterdir():
        fsspec.filesystem("memory").pipe_file(f"/bucket/{shards.name}/{file.name}", file.read_bytes())
    return f"memory://bucket/{shards.name}"


def batches(shards, workers=0, **options):
    module = ClipDataModule(shards, FORMAT, batch_size=4, workers=workers, **options)
    module.prepare_data()
    module.setup("fit")
    return first(module.train_dataloader(), 3), list(module.val_dataloader())


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_far_away_give_the_same_batches_as_on_disk(shards, workers):
    here = batches(str(shards))
    with serve(shards) as (root, requests):
        for address in (in_memory(shards), root):
            there = batches(address, workers)
            for mine, theirs in zip(here, there):
                assert len(mine) == len(theirs)
                assert all(same(one, other) and one.keys == other.keys for one, other in zip(mine, theirs))
    sizes = {sample.size for split in ("train", "test") for sample in Dataset.open(shards).samples(split)}
    asked = [asked.removeprefix("bytes=").split("-") for _, path, asked in requests if path.endswith("tar") and asked]
    assert len(asked) >= 15
    assert {int(last) - int(begin) + 1 for begin, last in asked} <= sizes, "more than the clips travelled"


def test_a_pattern_limits_a_data_set_to_some_of_its_shards(shards):
    view = open_shards(f"{shards}/train-{{000000..000001}}.tar")
    assert isinstance(view, Mixture)
    assert view.splits == ("train",)
    assert view.samples("train") == Dataset.open(shards).samples("train")[:6]
    whole = open_shards(f"{shards}/*.tar")
    assert whole.splits == ("train", "test")
    assert whole.samples("test") == Dataset.open(shards).samples("test")


def test_a_tar_that_the_manifest_does_not_know_is_refused(copied_shards):
    shutil.copy(copied_shards / "train-000000.tar", copied_shards / "train-000007.tar")
    with pytest.raises(ShardsError, match=r"train-000007\.tar is no shard that the manifest of .* names"):
        open_shards(f"{copied_shards}/train-*.tar")


def test_a_mixture_meets_every_clip_of_each_data_set_once_in_a_pass(shards, synth_shards):
    module = ClipDataModule([str(shards), str(synth_shards)], FORMAT, batch_size=5, workers=0, seed=3)
    module.setup("fit")
    keys = [key for batch in first(module.train_dataloader(), 5) for key in batch.keys]
    expected = [sample.key for folder in (shards, synth_shards) for sample in Dataset.open(folder).samples("train")]
    assert sorted(keys) == sorted(expected)
    clips = training_clips(shards)
    assert keys[:9] != [sample.key for sample in clips.samples], "data sets must be mixed"
    validated = [key for batch in module.val_dataloader() for key in batch.keys]
    assert sorted(validated) == sorted(sample.key for sample in Dataset.open(synth_shards).samples("validation"))


def test_clips_of_evaluation_may_lie_elsewhere(shards, synth_shards):
    module = ClipDataModule(str(shards), FORMAT, batch_size=2, workers=0, evaluation_shards=str(synth_shards))
    module.setup("fit")
    keys = {key for batch in module.test_dataloader() for key in batch.keys}
    assert keys == {sample.key for sample in Dataset.open(synth_shards).samples("test")}


@pytest.fixture
def bare(shards, tmp_path) -> str:
    """The training tars without a manifest."""
    for shard in shards.glob("train-*.tar"):
        shutil.copy(shard, tmp_path / shard.name)
    return f"{tmp_path}/train-{{000000..000002}}.tar"


def test_tars_without_a_manifest_train_with_one_warning(bare, shards, caplog):
    module = ClipDataModule(bare, FORMAT, batch_size=4, workers=0, evaluation_shards=str(shards))
    with caplog.at_level(logging.WARNING):
        module.prepare_data()
        module.setup("fit")
        batch = first(module.train_dataloader(), 1)[0]
    assert batch.pixels.shape == (4, 3, 4, 16, 16)
    assert caplog.text.count("has no manifest: the shards are streamed. A resumed run goes on with other clips") == 1
    assert len(list(module.val_dataloader())) == 1


def test_evaluation_needs_a_manifest_and_training_does_without(bare, caplog):
    module = ClipDataModule(bare, FORMAT, workers=0)
    module.setup("fit")
    assert module.val_dataloader() == []
    assert caplog.text.count("Set --data.evaluation_shards to shards that have a validation or test split") == 1
    for stage in ("validate", "test"):
        with pytest.raises(
            ConfigurationError, match=r"has no manifest.*Set --data\.evaluation_shards to a folder made"
        ):
            module.setup(stage)


def test_some_tars_of_a_folder_train_without_the_others_and_without_validation(copied_shards, tmp_path, caplog):
    for unnamed in ("train-000002.tar", "test-000000.tar"):
        (copied_shards / unnamed).unlink()
    pattern = f"{copied_shards}/train-{{000000..000001}}.tar"
    task = fit(pattern, tmp_path / "run", steps=3)
    assert len(task.trained) == 3
    assert not task.validated
    assert caplog.text.count("--data.evaluation_shards") == 1
    assert "validation and callbacks that need such clips are left out" in caplog.text
    message = r"has no split 'test', only train\. Set --data\.evaluation_shards to shards that have it"
    with pytest.raises(ShardsError, match=message):
        ClipDataModule(pattern, FORMAT, workers=0).setup("validate")
    with pytest.raises(ShardsError, match=r"train-000002\.tar is missing"):
        open_shards(f"{copied_shards}/train-{{000000..000002}}.tar").samples("train")


def test_what_does_not_fit_together_is_refused(bare, shards, tmp_path):
    with pytest.raises(ConfigurationError, match="has a manifest and .* has none; they cannot be mixed"):
        open_shards([str(shards), bare])
    with pytest.raises(ConfigurationError, match="is an empty list"):
        open_shards([])
    with pytest.raises(ShardsError, match=r"Shard .*train-000009\.tar is missing"):
        open_shards(f"{tmp_path}/train-{{000000..000009}}.tar")
    assert isinstance(open_shards(bare), BareShards)
    with pytest.raises(ConfigurationError, match="would run a command"):
        open_shards("pipe:cat train-000000.tar")
    with pytest.raises(ShardsError, match="No shards in nowhere"):
        open_shards("nowhere")
