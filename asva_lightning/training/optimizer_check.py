"""Settings of an optimizer or its schedule that torch refuses, told before anything costs time."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from asva_lightning.errors import ConfigurationError, refusal_behind


def check_optimizer(optimizer: OptimizerCallable | None, schedule: LRSchedulerCallable | None) -> None:
    """Make the optimizer of one small matrix, and its schedule.

    Args:
        optimizer: Makes the optimizer; any other if not given.
        schedule: Makes the schedule; none if not given.

    Raises:
        ConfigurationError: If one of them refuses its settings.
    """
    weights = [torch.nn.Parameter(torch.zeros(2, 2))]
    where = "optimizer"
    try:
        made = torch.optim.SGD(weights) if optimizer is None else optimizer(weights)
        where = "learning_rate_schedule"
        if schedule is not None:
            schedule(made)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise refusal_behind(error) or ConfigurationError(f"model.{where} cannot be made: {error}") from error
    except RuntimeError:
        return  # what it asks of its device, only the training can tell


def check_optimizer_settings(given: Mapping[str, Any]) -> None:
    """As above, from the arguments of a task in a configuration.

    Raises:
        ConfigurationError: If the optimizer or its schedule refuses its settings.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--optimizer", type=OptimizerCallable | None)
    parser.add_argument("--schedule", type=LRSchedulerCallable | None)
    parts = {"optimizer": given.get("optimizer"), "schedule": given.get("learning_rate_schedule")}
    made = parser.instantiate_classes(parser.parse_object(parts))
    check_optimizer(made.optimizer, made.schedule)
