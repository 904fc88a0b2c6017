"""Opening a finished or running run for use: its configuration, its networks, its averaged weights."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.task import AnimationTask

TRUSTED = ("asva_lightning.", "diffusers.", "transformers.", "torch.optim.")
"""A configuration that came with a run may name classes of these packages, and of no others."""


def open_task(folder: str | Path) -> AnimationTask:
    """The task of a run with the averaged weights of its newest checkpoint, in eval mode.

    Raises:
        RunError: If the folder is no run, or has no checkpoint that this can read.
        WeightsError: If the configuration names foreign classes, or the checkpoint does not fit it.
    """
    run = RunFolder(Path(folder))
    if not run.config.is_file():
        raise RunError(
            f"{folder} is not a run: it has no config.yaml. Give a folder that `fit` made, such as runs/NAME."
        )
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        raise RunError(f"{folder} has no checkpoint yet. Run `fit` until it has saved one (--run.save_every).")
    if checkpoint.is_dir():
        raise RunError(f"{checkpoint} was written by DeepSpeed in parts; this command reads single files only.")
    config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    task = _instantiate(config["model"], str(run.config))
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = content["state_dict"] | content.get("average", {}).get("parameters", {})
    missing = {name for name, parameter in task.named_parameters() if parameter.requires_grad} - weights.keys()
    unexpected = weights.keys() - task.state_dict().keys()
    if missing or unexpected:
        first = sorted(missing or unexpected)[0]
        raise WeightsError(f"{checkpoint} does not fit {run.config}: see tensor {first}. Was the configuration edited?")
    task.load_state_dict(weights, strict=False)
    return task.eval().requires_grad_(False)


def _instantiate(model: dict[str, Any], where: str) -> AnimationTask:
    from jsonargparse import ArgumentParser

    _check_classes(model, where)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(pl.LightningModule, "model")
    task = parser.instantiate_classes(parser.parse_object({"model": model})).model
    if not isinstance(task, AnimationTask):
        raise RunError(f"{where} describes a {type(task).__name__}, which animates nothing.")
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
