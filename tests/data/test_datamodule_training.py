"""The stream inside Lightning's own loop: what is trained on, what is saved, and where a resumed run goes on."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from shard_helpers import FORMAT

from asva_lightning.data import ClipDataModule


class Brightness(pl.LightningModule):
    """One number that learns nothing of use, and a diary of what it was shown."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(1))
        self.trained, self.validated, self.sums, self.states = [], [], [], []

    def training_step(self, batch, batch_idx):
        self.trained.append(batch.positions.tolist())
        self.sums.append((int(batch.pixels.sum()), float(batch.waveform.sum())))
        return (self.scale - batch.pixels.float().mean() / 255).square().sum()

    def validation_step(self, batch, batch_idx):
        self.validated += batch.keys

    def on_validation_end(self):
        if not self.trainer.sanity_checking:
            self.states.append(self.trainer.train_dataloader.state_dict())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(shards, folder, steps, checkpoint=None, workers=0, accumulate=1, batch_size=4):
    task = Brightness()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulate,
        val_check_interval=2 * accumulate,
        check_val_every_n_epoch=None,
        limit_val_batches=1,
        num_sanity_val_steps=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, "{step}", every_n_train_steps=3, save_top_k=-1)],
    )
    data = ClipDataModule(str(shards), FORMAT, batch_size=batch_size, workers=workers)
    trainer.fit(task, datamodule=data, ckpt_path=checkpoint)
    return task


def saved_state(file):
    content = torch.load(file, weights_only=True)
    return content["loops"]["fit_loop"]["state_dict"]["combined_loader"]


def test_a_trainer_takes_the_stream_in_order(shards, tmp_path):
    task = fit(shards, tmp_path, steps=2)
    assert task.trained == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(task.validated) == 6  # once before training, once after step 2
    assert task.scale != 0


@pytest.mark.parametrize(("workers", "accumulate"), [(0, 1), (2, 1), (0, 2)])
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(shards, tmp_path, workers, accumulate):
    options = {"workers": workers, "accumulate": accumulate}
    whole = fit(shards, tmp_path / "whole", 6, **options)
    begun = fit(shards, tmp_path / "begun", 3, **options)
    checkpoint = tmp_path / "begun" / "step=3.ckpt"
    assert saved_state(checkpoint) == [{"consumed": 12}], "fetching ahead must not move the state"
    ended = fit(shards, tmp_path / "ended", 6, checkpoint, **options)
    assert begun.trained + ended.trained == whole.trained
    assert begun.sums + ended.sums == whole.sums
    assert [position for batch in whole.trained for position in batch] == list(range(24))
    assert torch.equal(ended.scale, whole.scale)
    assert whole.states == [{"consumed": 8}, {"consumed": 16}, {"consumed": 24}], "validation must not move it either"


def test_a_run_may_be_resumed_with_other_batches_and_workers(shards, tmp_path):
    fit(shards, tmp_path / "begun", 3, accumulate=2)
    ended = fit(shards, tmp_path / "ended", 4, tmp_path / "begun" / "step=3.ckpt", workers=1)
    assert ended.trained == [[12, 13, 14, 15]]
