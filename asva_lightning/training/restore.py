"""Opening a finished or running run for use: its configuration, its networks, its weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl

from asva_lightning.errors import ConfigurationError, RunError, WeightsError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.checkpoints import Which, check_fits, read_checkpoint
from asva_lightning.training.doctor.tree import instantiate
from asva_lightning.training.frozen_weights import compare_frozen, digests_of_frozen
from asva_lightning.training.sync_task import SyncTask
from asva_lightning.training.task import AnimationTask
from asva_lightning.training.yaml_files import read_yaml
from asva_lightning.weights.checkpoint_files import run_of

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
    """Whether this is a run of ``SyncTask``, or a checkpoint in one.

    Raises:
        RunError: If the run's configuration is damaged.
    """
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
        RunError: If the folder is no run, has no checkpoint, or a configuration that describes no such task.
        WeightsError: If the configuration names foreign classes, or the checkpoint does not fit it.
    """
    return _open(source, which, AnimationTask)


def open_classifier_run(source: str | Path) -> OpenedRun[SyncTask]:
    """Open a run of the sync classifier, with the weights of its last optimizer step: it averages none.

    Args:
        source: As for :func:`open_run_for_use`.

    Raises:
        RunError: If the folder is no run, has no checkpoint, or a configuration that describes no such task.
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
    task = _instantiate(config["model"], run, kind)
    content = read_checkpoint(checkpoint, which)
    check_fits(content.weights, task, str(checkpoint), str(run.config))
    if isinstance(task, AnimationTask):
        compare_frozen(content.frozen, digests_of_frozen(task.denoiser, task.conditioner, task.hears), str(checkpoint))
    task.load_state_dict(content.weights, strict=False)
    return OpenedRun(run, config, task.eval().requires_grad_(False), content.step, checkpoint)


def _run_of(path: Path) -> RunFolder:
    """The run folder that a path means: itself, or the one that holds this checkpoint."""
    return RunFolder(run_of(path))


def _configuration(run: RunFolder) -> dict[str, Any]:
    """The configuration of a run; it has a model.

    Raises:
        RunError: If the file is damaged, or holds something else.
    """
    try:
        config = read_yaml(run.config)
    except ConfigurationError as error:
        raise RunError(f"{run.config} is damaged: {error} Put it back as `fit` wrote it.") from error
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise RunError(f"{run.config} describes no model, so this is no run. Give a folder that `fit` made.")
    return config


def _instantiate(model: dict[str, Any], run: RunFolder, kind: type[Task]) -> Task:
    _check_classes(model, str(run.config))
    try:
        task = instantiate(model, pl.LightningModule)
    except ConfigurationError as error:
        raise RunError(
            f"{run.config} does not fit this version of the package; {run.code} says which version wrote it: {error}"
        ) from error
    if not isinstance(task, kind):
        raise RunError(
            f"{run.config} describes a {type(task).__name__}, not the {kind.__name__} that is needed. Give another run."
        )
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
