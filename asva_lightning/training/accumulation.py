"""Continuing a run with another number of accumulated batches."""

from typing import Any


def count_batches_anew(checkpoint: dict[str, Any], accumulated: int) -> None:
    """Make the count of batches in a checkpoint fit the number of them that now make a step.

    Lightning steps the optimizer by its count of batches, so that count must follow from the steps that are done. The
    differences within it are kept: by them Lightning knows at which moment the checkpoint was written.

    Args:
        checkpoint: The checkpoint that is being loaded; changed in place.
        accumulated: Batches of an optimizer step.
    """
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get("epoch_loop.batch_progress", {})
    batches = checkpoint.get("global_step", 0) * accumulated
    for counts in (progress.get("total", {}), progress.get("current", {})):
        shift = batches - counts.get("ready", 0)
        counts.update({name: count + shift for name, count in counts.items()})
