"""A run that continues with other settings of its optimizer follows them."""

import logging
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from asva_lightning.training.schedules import WarmupCosine

logger = logging.getLogger(__name__)


class FollowRecipe(Callback):
    """Puts what the recipe has changed since the checkpoint in place of what the checkpoint restores.

    Optimizers and schedules restore their settings with their state, and would go on as they were begun, whatever the
    recipe says now. So a checkpoint holds what the recipe said when it was written, and only what differs from that is
    set: an unchanged recipe resumes bit for bit. Numbers of the optimizer can change (learning rate, betas, weight
    decay), and all of :class:`~asva_lightning.training.WarmupCosine`. A line tells what follows and what cannot.
    """

    def __init__(self) -> None:
        self._now: dict[str, Any] = {}
        self._before: dict[str, Any] = {}

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write down what the recipe says; not as a state of this callback, which evaluation would miss."""
        checkpoint["optimizer_recipe"] = self._now

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take what it said when the checkpoint was written."""
        self._before = checkpoint.get("optimizer_recipe", {})

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note the settings as the recipe made them; the checkpoint's optimizer is restored after this."""
        groups = [_of_group(group) for group in _groups(trainer)]
        self._now = {"groups": groups, "schedule": _of_schedule(_schedule(trainer))}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set what differs."""
        if not self._before:
            return
        schedule = _schedule(trainer)
        for group, before, now in zip(_groups(trainer), self._before["groups"], self._now["groups"]):
            _follow(group, before, now, schedule)
        if isinstance(schedule, WarmupCosine):
            if not self._before["schedule"]:  # there was none, so that it has not been told where it is
                schedule.go_to(trainer.global_step)
        elif hasattr(schedule, "base_lrs"):
            schedule.base_lrs = [now["lr"] for now in self._now["groups"]]
        self._tell(trainer.global_step, schedule)

    @rank_zero_only
    def _tell(self, step: int, schedule: Any) -> None:
        followed: dict[str, None] = {}  # in order, each once however many groups there are
        kept: dict[str, None] = {}
        for before, now in zip(self._before["groups"], self._now["groups"]):
            for name, change in _differences(before, now).items():
                (followed if _is_number(now.get(name)) else kept)[change] = None
        can_change = schedule is None or isinstance(schedule, WarmupCosine)
        for change in _differences(self._before["schedule"], self._now["schedule"]).values():
            (followed if can_change else kept)[f"learning_rate_schedule {change}"] = None
        if followed:
            logger.warning("From step %d on training follows the new settings: %s.", step, "; ".join(followed))
        if kept:
            logger.warning(
                "These new settings cannot change on the way and stay as the run was begun: %s. To train with them, "
                "begin another run: leave --run.folder out.", "; ".join(kept),
            )  # fmt: skip


def _groups(trainer: pl.Trainer) -> list[dict[str, Any]]:
    return [group for optimizer in trainer.optimizers for group in optimizer.param_groups]


def _schedule(trainer: pl.Trainer) -> Any:
    return trainer.lr_scheduler_configs[0].scheduler if trainer.lr_scheduler_configs else None


def _of_group(group: dict[str, Any]) -> dict[str, Any]:
    """What the recipe says of a parameter group; ``lr`` is the rate of which a schedule gives shares."""
    plain = {name: value for name, value in group.items() if isinstance(value, bool) or _is_number(value)}
    plain["lr"] = plain.pop("initial_lr", group["lr"])
    return plain


def _of_schedule(schedule: Any) -> dict[str, Any]:
    """What the recipe says of a schedule; nothing if there is none."""
    if schedule is None:
        return {}
    numbers = {name: value for name, value in vars(schedule).items() if isinstance(value, int | float)}
    own = {name: value for name, value in numbers.items() if not name.startswith("_") and name != "last_epoch"}
    return {"class": type(schedule).__name__, **own}


def _is_number(value: Any) -> bool:
    """Whether it is a number, or several such as betas."""
    if isinstance(value, tuple | list):
        return bool(value) and all(_is_number(part) for part in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _differences(before: dict[str, Any], now: dict[str, Any]) -> dict[str, str]:
    """What to say of each setting that differs."""
    return {
        name: f"{name} {before.get(name)} -> {now.get(name)}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    }


def _follow(group: dict[str, Any], before: dict[str, Any], now: dict[str, Any], schedule: Any) -> None:
    """Set the numbers of a group that differ; a switch such as ``amsgrad`` would need another state."""
    for name, value in now.items():
        if name != "lr" and value != before.get(name) and _is_number(value):
            group[name] = value
    if schedule is None:
        group["lr"] = now["lr"]
        return
    group["initial_lr"] = now["lr"]
    if not isinstance(schedule, WarmupCosine) and before["lr"]:
        # The rates of other schedules are taken for shares of the highest one.
        group["lr"] *= now["lr"] / before["lr"]
