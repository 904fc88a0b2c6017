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

    def state_dict(self) -> dict[str, Any]:
        """Where it is. Its form and height are said by the recipe alone, so that a run may continue with others."""
        return {"last_epoch": self.last_epoch, "_step_count": self._step_count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where this schedule, or another one, was."""
        self._step_count = state_dict["_step_count"]
        self.go_to(state_dict["last_epoch"])

    def go_to(self, step: int) -> None:
        """Set the learning rates after so many steps; the same as if it had been stepped there, bit for bit."""
        self.last_epoch = step
        for group, base, share in zip(self.optimizer.param_groups, self.base_lrs, self.lr_lambdas):
            group["lr"] = base * share(step)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _share(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * progress)) / 2
