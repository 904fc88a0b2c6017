"""Lightning modules and callbacks."""

from asva_lightning.training.ema import ExponentialMovingAverage
from asva_lightning.training.schedules import WarmupCosine
from asva_lightning.training.task import AnimationTask

__all__ = ["AnimationTask", "ExponentialMovingAverage", "WarmupCosine"]
