"""Checkpoints: at intervals, at the end, and when the run is asked to stop."""

import logging
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from asva_lightning.runs.folder import RunFolder
from asva_lightning.runs.preemption import EXIT_PREEMPTED, Preemption

logger = logging.getLogger(__name__)


class SaveAndStop(Checkpoint):
    """Saves ``checkpoints/step_000500.ckpt`` and keeps the last few.

    A checkpoint is written under another name and renamed when it is whole, so that what can be seen can be read.
    A request to stop (a signal) is a flag that is read here, between steps, by all ranks together: they save and leave
    with exit code 75, on which the batch script requeues the job.

    Args:
        folder: The run folder.
        every: Optimizer steps between checkpoints.
        keep: How many to keep.
        preemption: The flag; without it signals are not looked at.
    """

    def __init__(
        self, folder: RunFolder, every: int = 1000, keep: int = 2, preemption: Preemption | None = None
    ) -> None:
        self.folder = folder
        self.every = every
        self.keep = keep
        self.preemption = preemption
        self._saved = -1
        self._leaving = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What was resumed from need not be saved again; and signals are ours."""
        self._saved = trainer.global_step
        if self.preemption is not None:
            # Lightning's own handler for SIGTERM talks to other ranks at once, and ends the process with code 0.
            self.preemption.renew()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save where it is time; stop where it was asked for."""
        step = trainer.global_step
        if step == self._saved or trainer.fit_loop._should_accumulate():
            return
        asked = self.preemption is not None and self.preemption.asked
        asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked or step % self.every == 0 or step == trainer.max_steps:
            self._save(trainer, step)
        if asked:
            logger.warning("Asked to stop: step %d is saved. Start the same command again to continue.", step)
            self._leaving = True

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Leave before the next step, when the metrics of the last one are written."""
        self._leave()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave before a validation, for which there may be no time."""
        self._leave()

    def _leave(self) -> None:
        if self._leaving:
            raise SystemExit(EXIT_PREEMPTED)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last step, where a time limit ended the training."""
        if trainer.global_step != self._saved:
            self._save(trainer, trainer.global_step)

    def _save(self, trainer: pl.Trainer, step: int) -> None:
        final = self.folder.checkpoint(step)
        unfinished = final.with_name(f"unfinished_{final.name}")
        if trainer.is_global_zero:
            _remove(unfinished)
        trainer.strategy.barrier("before checkpoint")
        trainer.save_checkpoint(unfinished, weights_only=False)
        trainer.strategy.barrier("checkpoint written")
        if trainer.is_global_zero:
            _remove(final)
            unfinished.rename(final)
            for old in sorted(self.folder.checkpoints.glob("step_*.ckpt"))[: -self.keep]:
                _remove(old)
        self._saved = step


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
