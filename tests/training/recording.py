"""A callback for tests: what every rank was given and drew."""

import json
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.randomness import Purpose, torch_generator


class Recorder(Callback):
    """Appends positions and the first random number of each clip's noise to ``rank<r>.jsonl`` in the run folder."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        positions = batch.positions.tolist()
        noise = [
            torch.randn(1, generator=torch_generator(pl_module.seed, Purpose.TRAINING, position)).item()
            for position in positions
        ]
        line = {"step": trainer.global_step, "positions": positions, "noise": noise}
        with (Path(trainer.default_root_dir) / f"rank{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
