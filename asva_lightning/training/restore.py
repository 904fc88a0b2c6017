"""Opening a finished or running run for use: its configuration, its networks, its weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl
import yaml

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.checkpoints import Which, check_fits, read_checkpoint
from asva_lightning.training.frozen_weights import compare_frozen, digests_of_frozen
from asva_lightning.training.sync_task import SyncTask
from asva_lightning.training.task import AnimationTask

Task = TypeVar("Task", bound=pl.LightningModule)

TRUSTED = ("asva_lightning.", "diffusers.", "transformers.", "torch.optim.")
"""A configuration that came with a run may name classes of these packages, and of no others."""


@dataclass(frozen=True)
class OpenedRun(Generic[Task]):
    """A run with its weights in place.

    Args:
        folder: Its folder.
        config: Its configuration.
        task: Its task, in eval mode.
        step: Optimizer steps behind the weights.
        checkpoint: The checkpoint that was read.
    """

    folder: RunFolder
    config: dict[str, Any]
    task: Task
    step: int
    checkpoint: Path


def is_run(source: str | Path) -> bool:
    """Whether this looks like a run folder or a checkpoint in one."""
    return _run_of(Path(source)).config.is_file()


def trains_a_classifier(source: str | Path) -> bool:
    """Whether this is a run of ``SyncTask``, or a checkpoint in one."""
    run = _run_of(Path(source))
    return run.config.is_file() and str(_configuration(run)["model"].get("class_path")).endswith(
        f".{SyncTask.__name__}"
    )


def open_run_for_use(source: str | Path, which: Which = "ema") -> OpenedRun[AnimationTask]:
    """Open a run that animates.

    Args:
        source: A run folder, for its newest checkpoint; or a checkpoint in one.
        which: The averaged weights, or those of the last optimizer step.

    Raises:
        RunError: If the folder is no run, or has no checkpoint.
        WeightsError: If the configuration names foreign classes, or the checkpoint does not fit it.
    """
    return _open(source, which, AnimationTask)


def open_classifier_run(source: str | Path) -> OpenedRun[SyncTask]:
    """Open a run of the sync classifier, with the weights of its last optimizer step: it averages none.

    Args:
        source: As for :func:`open_run_for_use`.

    Raises:
        RunError: If the folder is no run, or has no checkpoint.
        WeightsError: If the configuration names foreign classes, or the checkpoint does not fit it.
    """
    return _open(source, "raw", SyncTask)


def _open(source: str | Path, which: Which, kind: type[Task]) -> OpenedRun[Task]:
    path = Path(source)
    run = _run_of(path)
    if not run.config.is_file():
        raise RunError(
            f"{source} is not a run: it has no config.yaml. Give a folder that `fit` made, such as runs/NAME."
        )
    checkpoint = path if path.suffix == ".ckpt" else run.latest_checkpoint()
    if checkpoint is None or not checkpoint.exists():
        raise RunError(f"{source} has no checkpoint yet. Run `fit` until it has saved one (--run.save_every).")
    config = _configuration(run)
    task = _instantiate(config["model"], str(run.config), kind)
    content = read_checkpoint(checkpoint, which)
    check_fits(content.weights, task, str(checkpoint), str(run.config))
    if isinstance(task, AnimationTask):
        compare_frozen(content.frozen, digests_of_frozen(task.denoiser, task.conditioner, task.hears), str(checkpoint))
    task.load_state_dict(content.weights, strict=False)
    return OpenedRun(run, config, task.eval().requires_grad_(False), content.step, checkpoint)


def _run_of(path: Path) -> RunFolder:
    """The run folder that a path means: itself, or the one that holds this checkpoint."""
    return RunFolder(path.parent.parent if path.suffix == ".ckpt" else path)


def _configuration(run: RunFolder) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    return config


def _instantiate(model: dict[str, Any], where: str, kind: type[Task]) -> Task:
    from jsonargparse import ArgumentParser

    _check_classes(model, where)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningModule, "model")
    task = parser.instantiate_classes(parser.parse_object({"model": model})).model
    if not isinstance(task, kind):
        raise RunError(f"{where} describes a {type(task).__name__}, where a {kind.__name__} is needed.")
    return task


def _check_classes(tree: Any, where: str) -> None:
    """Refuse classes of other packages before anything is imported."""
    if isinstance(tree, dict):
        path = tree.get("class_path")
        if isinstance(path, str) and not path.startswith(TRUSTED):
            raise WeightsError(
                f"{where} asks for the class {path}, which is of none of the packages "
                f"{', '.join(name.rstrip('.') for name in TRUSTED)}; it is not loaded."
            )
    values = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for value in values:
        _check_classes(value, where)
