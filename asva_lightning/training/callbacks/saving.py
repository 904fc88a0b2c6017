"""Checkpoints: at intervals, at the end, and when the run is asked to stop."""

import logging
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO

from asva_lightning.errors import ConfigurationError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.runs.preemption import EXIT_PREEMPTED, Preemption

logger = logging.getLogger(__name__)


class SaveAndStop(Checkpoint):
    """Saves ``checkpoints/step_000500.ckpt`` and keeps the last few.

    A checkpoint is written under another name and renamed when it is whole, so that what can be seen can be read.
    A request to stop (a signal) is a flag that is read here, between steps, by all ranks together: they save and leave
    with exit code 75, on which the batch script requeues the job, or 130 after Ctrl-C.

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
        self._stopping = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse to write in the background.

        Raises:
            ConfigurationError: If checkpoints are to be written so.
        """
        if isinstance(trainer.strategy.checkpoint_io, AsyncCheckpointIO):
            raise ConfigurationError(
                "AsyncCheckpointIO writes checkpoints in the background, but a run goes on, and may stop, only when a "
                "checkpoint is whole. Take it out of --trainer.plugins."
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What was resumed from need not be saved again, nor taken for old; and signals are ours."""
        self._saved = trainer.global_step
        if trainer.is_global_zero:
            self._go_back(trainer.global_step)
        if self.preemption is not None:
            # Lightning's own handler for SIGTERM talks to other ranks at once, and ends the process with code 0.
            self.preemption.renew()
            self.preemption.heed_interrupt(say=trainer.is_global_zero)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save where it is time; stop where it was asked for."""
        self._stop_between_steps(trainer)
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

    def _stop_between_steps(self, trainer: pl.Trainer) -> None:
        """Put a stop off that another callback (a time limit) asks for between the accumulated batches of a step.

        The gradients of the first ones would be lost, and a resumed run would not meet their clips again.
        """
        if trainer.fit_loop._should_accumulate():
            self._stopping |= trainer.should_stop
            trainer.should_stop = False
        elif self._stopping:
            trainer.should_stop = True

    def _go_back(self, step: int) -> None:
        """Where ``--ckpt_path`` names an older checkpoint, set the later ones aside."""
        moved = self.folder.set_aside(later_than=step)
        if moved:
            logger.warning(
                "This run goes back to step %d. Its later checkpoints are kept as %s in %s. When you start it again, "
                "leave --ckpt_path out.",
                step, ", ".join(path.name for path in moved), self.folder.checkpoints,
            )  # fmt: skip

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Leave before the next step, when the metrics of the last one are written."""
        self._leave()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave before a validation, for which there may be no time."""
        self._leave()

    def _leave(self) -> None:
        if self._leaving:
            raise SystemExit(EXIT_PREEMPTED if self.preemption is None else self.preemption.exit_code)

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
            for _, old in self.folder.numbered_checkpoints()[: -self.keep]:
                if old != final:
                    _remove(old)
        self._saved = step


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
