"""The checkpoint that a command begins with, looked at before Lightning loads it."""

import logging
from pathlib import Path

import lightning.pytorch as pl

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.runs.folder import RunFolder, is_requeued
from asva_lightning.training.checkpoints import check_fits, read_checkpoint
from asva_lightning.weights import load_safely

logger = logging.getLogger(__name__)

OWN = "--ckpt_path"
"""How messages begin where the word gave the checkpoint."""


def find_checkpoint(given: str) -> Path:
    """The checkpoint that ``--ckpt_path`` means: itself, or the newest one of a run folder.

    Raises:
        RunError: If there is none.
    """
    path = Path(given).expanduser()
    if (path / "config.yaml").is_file() or (path / "checkpoints").is_dir():
        newest = RunFolder(path).latest_checkpoint()
        if newest is None:
            raise RunError(f"{OWN} {given} has no checkpoint yet. Run `fit` until it has saved one (--run.save_every).")
        return newest
    if not path.exists():
        raise RunError(
            f"{OWN} {given} does not exist. Give a run folder, or a checkpoint in one, such as "
            "runs/NAME/checkpoints/step_001000.ckpt."
        )
    return path


def check_loadable(path: Path, model: pl.LightningModule, training: bool) -> int:
    """Whether a checkpoint can be loaded into a model; it is read without running what it holds.

    Args:
        path: A file, or a folder of DeepSpeed, whose weights lie in parts and are not compared.
        model: What it is for.
        training: Whether a training is to be continued from it.

    Returns:
        The optimizer steps behind it.

    Raises:
        WeightsError: If it is no checkpoint, damaged, holds NaN or infinity, does not fit the model, or holds weights
            alone where a training is to be continued.
    """
    if path.is_dir():
        return _averaged_steps(path)
    content = load_safely(path, "a checkpoint of `fit`")
    raw = read_checkpoint(path, "raw")
    beside = {"pytorch-lightning_version"} | ({"optimizer_states", "loops"} if training else set())
    missing = beside - content.keys()
    if missing:
        to_do = "Give a checkpoint that `fit` has saved."
        if training and hasattr(model, "init_from"):
            to_do = f"To begin a training with its weights, give --model.init_args.init_from={path} in place of {OWN}."
        raise WeightsError(f"{path} holds weights without what `fit` saves beside them ({min(missing)}). {to_do}")
    if type(model).configure_model is pl.LightningModule.configure_model:  # else there are no networks yet
        check_fits(raw.weights, model, str(path), "this configuration")
    _averaged_steps(path)
    return raw.step


def saved_before_requeue(run: RunFolder, steps: int) -> Path | None:
    """What a job has saved since it began with the checkpoint of its words, where SLURM has queued it again.

    Its words are the same at every start, so without this it would do the same steps again and again.

    Args:
        run: Its folder.
        steps: Optimizer steps behind the checkpoint that its words name.

    Returns:
        The newest checkpoint, if it has more steps behind it: at its first start the job set older ones of these aside.
    """
    newest = run.latest_checkpoint() if is_requeued() else None
    if newest not in [path for step, path in run.numbered_checkpoints() if step > steps]:
        return None
    logger.warning("SLURM has queued this job again: it goes on from what it has saved, not from %s again.", OWN)
    return newest


def finished(steps: int, max_steps: int, folder: RunFolder) -> str:
    """What to say where a training is asked for no more steps than it has behind it."""
    at = "" if steps == max_steps else f": it is at step {steps}, and --trainer.max_steps is {max_steps}"
    return f"This run is finished{at}. Watch it in {folder.page}, or {longer(folder)}."


def longer(folder: RunFolder) -> str:
    """What to type to train a finished run for longer; without its folder a schedule of another length is a new run."""
    return f"raise --trainer.max_steps, with --run.folder {folder.path}, to train it for longer"


def _averaged_steps(path: Path) -> int:
    """The steps behind a checkpoint, its averaged weights looked at where it has some."""
    try:
        return read_checkpoint(path).step
    except RunError:  # that run keeps no average
        return 0
