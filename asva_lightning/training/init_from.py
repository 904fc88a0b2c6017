"""Starting a training from the weights of another one, as the later stages of a staged recipe do."""

import logging
from pathlib import Path

import lightning.pytorch as pl
import torch

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.checkpoints import Checkpoint, read_checkpoint
from asva_lightning.training.frozen_weights import compare_frozen

logger = logging.getLogger(__name__)


def begin_with(task: pl.LightningModule, source: str, frozen: dict[str, str]) -> None:
    """Give a task the trained weights of another run; optimizer, average and steps begin anew.

    Args:
        task: A task whose networks have their first weights.
        source: A run folder, for its newest checkpoint, or a checkpoint; the averaged weights where there are some.
        frozen: Digests of the pretrained networks of the task.

    Raises:
        RunError: If there is no such checkpoint.
        WeightsError: If the weights do not fit the task's networks, or were trained on other pretrained ones.
    """
    checkpoint = _read(source)
    compare_frozen(checkpoint.frozen, frozen, f"model.init_from {checkpoint.path}")
    own = {name: parameter for name, parameter in task.named_parameters() if parameter.requires_grad}
    given = {name: tensor for name, tensor in checkpoint.weights.items() if name in own}
    for name, parameter in own.items():
        if name not in given or given[name].shape != parameter.shape:
            met = f"is {tuple(given[name].shape)} there" if name in given else "is not there"
            raise WeightsError(
                f"model.init_from {checkpoint.path} does not fit: {name}, here {tuple(parameter.shape)}, {met}. Give "
                "both recipes the same denoiser and encoders, or leave init_from out."
            )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(given[name])
    logger.info("Starting from the weights of %s, after %d steps.", checkpoint.path, checkpoint.step)


def _read(source: str) -> Checkpoint:
    path = Path(source).expanduser()
    if not path.exists():
        raise RunError(f"model.init_from {source} does not exist. Give a run folder, or a checkpoint in one.")
    if (path / "checkpoints").is_dir():
        newest = RunFolder(path).latest_checkpoint()
        if newest is None:
            raise RunError(f"model.init_from {source} has no checkpoint yet. Train that run first.")
        path = newest
    try:
        return read_checkpoint(path)
    except RunError:  # that run kept no average
        return read_checkpoint(path, "raw")
