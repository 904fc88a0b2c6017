"""What callbacks that sample have in common: fixed clips, the averaged weights, the work shared by all ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

from asva_lightning.data.batch import ClipSample
from asva_lightning.data.clips import FixedClips, NoGoodClip
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.diffusion import Animation, Pair, generate, share
from asva_lightning.diffusion.generate import clip_name
from asva_lightning.errors import ConfigurationError
from asva_lightning.training.ranks import gather
from asva_lightning.training.task import AnimationTask


class AnimatesClips(Callback):
    """A callback that animates fixed clips, and so needs their pixels.

    Attributes:
        stages: Where it does so; where there are no pixels, these do not begin.
        clips_in_fit: Whose clips it takes while training: ``validate`` or ``test``. Where there are none, training goes
            on without the callback.
    """

    stages: ClassVar[Sequence[str]] = ("fit",)
    clips_in_fit: ClassVar[str] = "validate"

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look whether there is something that animates, and whether the clips have pixels, before anything costs time.

        Raises:
            ConfigurationError: If the task is another one, or the clips' shards hold latents.
        """
        if stage in self.stages and not isinstance(pl_module, AnimationTask):
            raise ConfigurationError(
                f"{type(self).__name__} animates clips, which {type(pl_module).__name__} cannot. Leave it out of "
                "trainer.callbacks."
            )
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, ClipDataModule) or stage not in self.stages:
            return
        if stage == "fit" and not data.offers(self.clips_in_fit):
            others = [callback for callback in trainer.callbacks if callback is not self]  # type: ignore[attr-defined]
            trainer.callbacks = others  # type: ignore[attr-defined]
            return
        data.check_pixels()


@dataclass(frozen=True)
class ChosenClips:
    """Clips that are judged, and those that cannot be.

    Args:
        clips: The clips.
        excluded: Name of each clip that was chosen and is not there, on one rank at least, to the reason.
    """

    clips: Sequence[ClipSample]
    excluded: Mapping[str, str] = field(default_factory=dict)


def fixed_clips(trainer: pl.Trainer, stage: str, count: int | None) -> ChosenClips:
    """The same clips every time, spread evenly over those of a stage (``validate`` or ``test``).

    A clip that cannot be read has no neighbour in its place: that would count twice. Where one rank cannot read it, no
    rank takes it, so that a number means the same clip to all. All ranks must call this together.

    Raises:
        ConfigurationError: If the data module does not offer them.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, ClipDataModule):
        raise ConfigurationError("Sampling callbacks need asva_lightning.data.ClipDataModule as --data.")
    clips = data.fixed_clips(stage)
    count = len(clips) if count is None else min(count, len(clips))
    places = [turn * len(clips) // count for turn in range(count)]
    chosen = {place: clips[place] for place in places}
    good = {place: clip for place, clip in chosen.items() if isinstance(clip, ClipSample) and clip.real}
    bad = {place: _named_with_reason(clips, place, met) for place, met in chosen.items() if place not in good}
    excluded = _bad_on_any_rank(trainer, bad)
    return ChosenClips([clip for place, clip in good.items() if place not in excluded], dict(excluded.values()))


def _bad_on_any_rank(trainer: pl.Trainer, bad: dict[int, tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """Place to name and reason of each clip that this rank or another could not read; the same on every rank."""
    told = gather(trainer, {trainer.global_rank: bad})
    together = {}
    for place in sorted({place for of_rank in told for place in of_rank}):
        ranks = [rank for rank, of_rank in enumerate(told) if place in of_rank]
        name, reason = told[ranks[0]][place]
        together[place] = name, reason if len(ranks) == len(told) else f"{reason} (on rank {ranks[0]})"
    return together


def _named_with_reason(clips: FixedClips, place: int, met_there: ClipSample | NoGoodClip) -> tuple[str, str]:
    """A clip that is not there, and why, as told by what stands in its place."""
    sample, number = clips.samples[place // clips.clips_per_sample], place % clips.clips_per_sample
    met = [bad.reason for bad in met_there.bad if bad.key == sample.key]
    return f"{sample.key}_clip-{number:02d}", met[0] if met else "is in quarantine"


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
