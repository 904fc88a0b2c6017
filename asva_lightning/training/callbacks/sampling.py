"""What callbacks that sample have in common: fixed clips, the averaged weights, the work shared by all ranks."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.batch import ClipSample
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.diffusion import Animation, Pair, generate, share
from asva_lightning.diffusion.generate import clip_name
from asva_lightning.errors import ConfigurationError
from asva_lightning.training.task import AnimationTask

Value = TypeVar("Value")


class AnimatesClips(Callback):
    """A callback that animates fixed clips, and so needs their pixels.

    Attributes:
        stages: Where it does so; where there are no pixels, these do not begin.
    """

    stages: ClassVar[Sequence[str]] = ("fit",)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look whether the clips have pixels, before anything costs time.

        Raises:
            ConfigurationError: If their shards hold latents.
        """
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, ClipDataModule) and stage in self.stages:
            data.check_pixels()


def fixed_clips(trainer: pl.Trainer, stage: str, count: int | None) -> list[ClipSample]:
    """The same clips every time, spread evenly over those of a stage (``validate`` or ``test``).

    Raises:
        ConfigurationError: If the data module does not offer them.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, ClipDataModule):
        raise ConfigurationError("Sampling callbacks need asva_lightning.data.ClipDataModule as --data.")
    clips = data.fixed_clips(stage)
    count = len(clips) if count is None else min(count, len(clips))
    chosen = [clips[place * len(clips) // count] for place in range(count)]
    return [clip for clip in chosen if isinstance(clip, ClipSample)]


def pair_of(clip: ClipSample) -> Pair:
    """The first frame of a clip with its sound."""
    return Pair(clip_name(clip.key, clip.start), clip.pixels[:, 0], clip.waveform, clip.text, clip.position)


def sample_together(trainer: pl.Trainer, task: AnimationTask, pairs: Sequence[Pair]) -> dict[int, Animation]:
    """Sample this rank's share of the pairs with the averaged weights.

    Every rank makes equally many forward passes; what a short rank repeats is left out of the result.

    Returns:
        Number of the pair to its animation.
    """
    places = share(len(pairs), trainer.global_rank, trainer.world_size)
    with task.averaged():
        animations = generate(task.pipeline, [pairs[place] for place in places], seed=task.seed)
    first = trainer.global_rank
    return {
        place: animation
        for turn, (place, animation) in enumerate(zip(places, animations))
        if first + turn * trainer.world_size < len(pairs)
    }


def gather(trainer: pl.Trainer, values: dict[int, Value]) -> list[Value]:
    """The values of all ranks, in order, on every rank."""
    parts: list[dict[int, Value]] = [values]
    if trainer.world_size > 1:
        parts = [{} for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(parts, values)
    together = {place: value for part in parts for place, value in part.items()}
    return [together[place] for place in sorted(together)]
