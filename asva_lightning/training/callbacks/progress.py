"""Progress where there is no terminal, and how fast it goes."""

import logging
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.batch import ClipBatch

logger = logging.getLogger(__name__)


class ProgressLines(Callback):
    """A line now and then instead of a progress bar, for files and batch jobs.

    Args:
        seconds: Time between lines.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._last = -float("inf")
        self._began = (0.0, 0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._began = (time.monotonic(), trainer.global_step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: ClipBatch, batch_idx: int
    ) -> None:
        """Write a line where it is time."""
        now = time.monotonic()
        if not trainer.is_global_zero or now - self._last < self.seconds or trainer.fit_loop._should_accumulate():
            return
        self._last = now
        began, first = self._began
        pace = (now - began) / max(1, trainer.global_step - first)
        left = (
            f", {pace * (trainer.max_steps - trainer.global_step) / 60:.1f} min left" if trainer.max_steps > 0 else ""
        )
        loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
        logger.info(
            "step %d of %d: loss %.4f, %.2f s a step%s", trainer.global_step, trainer.max_steps, loss, pace, left
        )

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write a line where it is time, and with the last batch."""
        now, count = time.monotonic(), sum(int(batches) for batches in trainer.num_predict_batches)
        if trainer.is_global_zero and (now - self._last >= self.seconds or batch_idx + 1 == count):
            self._last = now
            logger.info("batch %d of %d", batch_idx + 1, count)


class Throughput(Callback):
    """Logs clips a second over all devices, and the share of time in which the devices waited for data.

    Args:
        every: Optimizer steps between values.
    """

    def __init__(self, every: int = 50) -> None:
        self.every = every
        self._clips = 0
        self._waited = 0.0
        self._began = self._idle_since = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._restart()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: ClipBatch, batch_idx: int
    ) -> None:
        """A batch has come: the wait is over."""
        self._waited += time.monotonic() - self._idle_since

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: ClipBatch, batch_idx: int
    ) -> None:
        """Count the clips; log where it is time."""
        self._clips += len(batch) * trainer.world_size
        self._idle_since = time.monotonic()
        if trainer.global_step % self.every or trainer.fit_loop._should_accumulate():
            return
        seconds = self._idle_since - self._began
        values = {"throughput/clips_per_second": self._clips / seconds, "throughput/data_wait": self._waited / seconds}
        for log in trainer.loggers:
            log.log_metrics(values, step=trainer.global_step)
        self._restart()

    def _restart(self) -> None:
        """Begin anew, so that validation and samples do not count."""
        self._clips, self._waited = 0, 0.0
        self._began = self._idle_since = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is no training."""
        self._restart()
