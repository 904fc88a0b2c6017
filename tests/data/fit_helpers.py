"""Lightning's own loop over a stream of clips."""

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from shard_helpers import FORMAT

from asva_lightning.data import ClipDataModule


class Brightness(pl.LightningModule):
    """One number that learns nothing of use, and a diary of what it was shown."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(1))
        self.trained, self.validated, self.sums, self.states, self.bad = [], [], [], [], []

    def training_step(self, batch, batch_idx):
        self.trained.append(batch.positions.tolist())
        self.bad += batch.bad
        self.sums.append((int(batch.pixels.sum()), float(batch.waveform.sum())))
        return (self.scale - batch.pixels.float().mean() / 255).square().sum()

    def validation_step(self, batch, batch_idx):
        self.validated += batch.keys

    def on_validation_end(self):
        if not self.trainer.sanity_checking:
            self.states.append(self.trainer.train_dataloader.state_dict())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(shards, folder, steps, checkpoint=None, workers=0, accumulate=1, batch_size=4, **options):
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
    data = ClipDataModule(str(shards), FORMAT, batch_size=batch_size, workers=workers, **options)
    trainer.fit(task, datamodule=data, ckpt_path=checkpoint)
    return task
