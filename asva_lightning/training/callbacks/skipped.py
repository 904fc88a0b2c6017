"""Clips that could not be read are never silent."""

import json
import logging
from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.batch import BadClip, ClipBatch
from asva_lightning.files import append_line
from asva_lightning.runs.folder import RunFolder

logger = logging.getLogger(__name__)


class SkippedClips(Callback):
    """Logs every clip that was replaced, counts them, and lists them in ``bad_clips.jsonl``.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._known: set[BadClip] = set()
        self.count = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: ClipBatch, batch_idx: int
    ) -> None:
        """Note the bad clips that were met while this batch was read."""
        self._note(batch)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """As in training."""
        self._note(batch)

    on_test_batch_end = on_validation_batch_end
    on_predict_batch_end = on_validation_batch_end

    def _note(self, batch: ClipBatch) -> None:
        for bad in batch.bad:
            self.count += 1
            if bad not in self._known:
                self._known.add(bad)
                logger.warning("Skipped %s in %s: %s (%d so far)", bad.key, bad.shard, bad.reason, self.count)
                append_line(self.folder.bad_clips, json.dumps(asdict(bad), ensure_ascii=False))
