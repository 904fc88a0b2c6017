"""Learning-rate schedules that a run may outlive."""

import math
from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def stepped(optimizer: Optimizer, make_schedule: LRSchedulerCallable | None) -> Any:
    """What ``configure_optimizers`` returns: the optimizer, with a schedule of every optimizer step if there is one."""
    if make_schedule is None:
        return optimizer
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make_schedule(optimizer), "interval": "step"}}


class WarmupCosine(LambdaLR):
    """Rises linearly, then falls along half a cosine to a floor, on which it stays however long the run goes on.

    Args:
        optimizer: Its learning rate is the highest.
        steps: Optimizer steps until the floor is reached.
        warmup: Optimizer steps of the rise.
        floor: Share of the highest rate that stays.
    """

    def __init__(self, optimizer: Optimizer, steps: int, warmup: int = 0, floor: float = 0.01) -> None:
        self.steps = steps
        self.warmup = warmup
        self.floor = floor
        super().__init__(optimizer, self._share)

    def _share(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * progress)) / 2
