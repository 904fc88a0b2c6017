"""ClipDataModule: what it offers and what it refuses, without a trainer."""

import logging
import shutil

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from clip_files import write_clicking_square
from shard_helpers import FORMAT, first, same, training_clips

from asva_lightning.data import ClipDataModule, MediaFolder, SynthSync, build
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.media import ClipFormat

TINY = SynthSync(kinds=["lamp"], train=2, validation=1, test=1, height=24, width=24)


def data(shards, format=FORMAT, **options):
    return ClipDataModule(str(shards), format, **{"batch_size": 4, "workers": 0, **options})


def test_training_batches_are_those_of_the_stream(shards):
    module = data(shards, seed=5, flip=1.0)
    module.prepare_data()
    module.setup("fit")
    clips = training_clips(shards, seed=5, flip=1.0)
    batch = first(module.train_dataloader(), 2)[1]
    assert batch.positions.tolist() == [4, 5, 6, 7]
    assert batch.pixels.equal(torch.stack([clips[position].pixels for position in range(4, 8)]))
    assert batch.keys == tuple(clips[position].key for position in range(4, 8))


@pytest.mark.parametrize("stage", ["val", "test", "predict"])
def test_evaluation_meets_the_same_clips_every_time(shards, stage):
    module = data(shards, batch_size=2, clips_per_sample=3)
    make = getattr(module, f"{stage}_dataloader")
    once, again = list(make()), list(make())
    assert all(same(one, other) for one, other in zip(once, again, strict=True))
    samples = Dataset.open(shards).samples("test")
    assert [key for batch in once for key in batch.keys] == [sample.key for sample in samples for _ in range(3)]
    starts = torch.cat([batch.starts for batch in once]).numpy()
    assert np.allclose(
        starts, [np.linspace(0, sample.seconds - FORMAT.seconds, 3) for sample in samples][0].tolist() * 3
    )
    assert torch.cat([batch.real for batch in once]).all()
    assert len(make()) == len(once) == 5


def test_other_numbers_of_clips_may_be_asked_for(shards):
    module = data(shards, clips_per_sample=2)
    assert len(module.fixed_clips("test")) == 6
    assert len(module.fixed_clips("validate", clips_per_sample=1)) == 3


def test_the_one_clip_of_a_sample_may_lie_in_its_middle(shards):
    module = data(shards, batch_size=1, evaluation_start="middle")
    middles = [(sample.seconds - FORMAT.seconds) / 2 for sample in Dataset.open(shards).samples("test")]
    assert min(middles) > 0
    for loader in (module.val_dataloader(), module.test_dataloader(), module.predict_dataloader()):
        assert torch.cat([batch.starts for batch in loader]).tolist() == pytest.approx(middles)
    assert module.fixed_clips("test")[0].start == 0
    assert next(iter(data(shards, batch_size=1, evaluation_start="beginning").test_dataloader())).starts.tolist() == [0]
    with pytest.raises(ConfigurationError, match=r"the one clip of a sample, but --data\.clips_per_sample is 2"):
        data(shards, clips_per_sample=2, evaluation_start="middle")


def test_validation_takes_its_split_or_else_the_test_split(shards, synth_shards):
    def keys(folder, **options):
        return {key for batch in data(folder, **options).val_dataloader() for key in batch.keys}

    def named(folder, split):
        return {sample.key for sample in Dataset.open(folder).samples(split)}

    assert keys(synth_shards) == named(synth_shards, "validation")
    assert keys(shards) == named(shards, "test")
    assert keys(shards, validation_split="train") == named(shards, "train")
    with pytest.raises(ShardsError, match="has no split 'check', only train, test"):
        data(shards, validation_split="check").setup("fit")


def test_shards_are_generated_on_first_use_and_kept(tmp_path):
    module = data(tmp_path / "made", generator=TINY)
    module.prepare_data()
    assert Dataset.open(tmp_path / "made").splits == ("train", "validation", "test")
    before = (tmp_path / "made" / "train-000000.tar").stat()
    again = data(tmp_path / "made", generator=TINY)
    again.prepare_data()
    again.setup("fit")
    assert (tmp_path / "made" / "train-000000.tar").stat() == before
    assert len(first(again.train_dataloader(), 1)[0]) == 4
    other = data(tmp_path / "made", generator=SynthSync(kinds=["lamp"], train=3))
    with pytest.raises(ShardsError, match=r"made was generated with other settings than data\.generator asks for"):
        other.prepare_data()


def test_shards_of_clips_are_not_taken_for_generated_ones(copied_shards):
    message = "holds clips of your own, but data.generator asks for generated ones. Set --data.generator null"
    with pytest.raises(ShardsError, match=message):
        data(copied_shards, generator=TINY).prepare_data()


def test_missing_shards_say_what_to_do(tmp_path):
    with pytest.raises(ShardsError, match=r"No shards in .*nowhere.*shards build.*--data\.shards.*quickstart"):
        data(tmp_path / "nowhere").prepare_data()


def test_frames_faster_than_the_source_are_refused(shards):
    with pytest.raises(ConfigurationError, match=r"24 frames a second, but .* at most 12\. Set --data\.format\.fps"):
        data(shards, ClipFormat(frames=24, fps=24, height=16, width=16)).setup("fit")
    data(shards, ClipFormat(frames=12, fps=12, height=16, width=16)).setup("fit")


def test_more_frames_than_every_clip_has_are_refused(shards):
    with pytest.raises(
        ConfigurationError,
        match=r"20 frames at 4 a second are 5\.00 s, but .* \(train\) has 3\.0. s\. Set --data\.format",
    ):
        data(shards, ClipFormat(frames=20, fps=4, height=16, width=16)).setup("fit")


def test_shorter_clips_are_left_out_with_one_warning(tmp_path, caplog):
    for number, seconds in enumerate((1.0, 2.0, 2.0, 1.5)):
        write_clicking_square(tmp_path / "in" / "train" / "dog" / f"{number}.mp4", number, seconds=seconds)
    shutil.copytree(tmp_path / "in" / "train", tmp_path / "in" / "test")
    for file in (tmp_path / "in" / "test" / "dog").iterdir():
        file.rename(file.with_stem(f"test{file.stem}"))
    shards = build(MediaFolder(str(tmp_path / "in"), minimum_seconds=0.5), tmp_path / "out").output
    module = data(shards, ClipFormat(frames=7, fps=4, height=16, width=16), batch_size=2)
    with caplog.at_level(logging.WARNING):
        module.setup("fit")
        batches = first(module.train_dataloader(), 3)
        assert [key for batch in module.val_dataloader() for key in batch.keys] == ["dog/test1", "dog/test2"]
        module.setup("test")
    assert {key for batch in batches for key in batch.keys} == {"dog/1", "dog/2"}
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "2 of 4 train clips are shorter than 1.75 s and left out",
        "2 of 4 test clips are shorter than 1.75 s and left out",
    ]


def test_a_total_batch_that_does_not_divide_names_the_options(shards):
    module = data(shards, batch_size=8)
    module.trainer = pl.Trainer(accelerator="cpu", devices=1, accumulate_grad_batches=3, logger=False)
    with pytest.raises(ConfigurationError) as caught:
        module.train_dataloader()
    message = str(caught.value)
    assert "--data.batch_size 8 is the total of one optimizer step and does not divide by 1 devices x 3" in message
    assert message.endswith("multiple of 3, or change --trainer.devices or --trainer.accumulate_grad_batches.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "--data.batch_size must be at least 1, not 0"),
        ({"workers": -1}, "--data.workers must be at least 0, not -1"),
        ({"clips_per_sample": 0}, "--data.clips_per_sample must be at least 1, not 0"),
        ({"flip": 1.5}, "--data.flip is a share of clips from 0 to 1, not 1.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        data("anywhere", **options)
