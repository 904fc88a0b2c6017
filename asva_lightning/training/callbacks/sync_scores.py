"""Synchronisation scores while training and in the test."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.seed import isolate_rng

from asva_lightning.diffusion import Animation
from asva_lightning.diffusion.finite import ADVICE, NOT_FINITE
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.blank_clip import check_measures
from asva_lightning.evaluation.evaluate import versions
from asva_lightning.evaluation.measures import Panel
from asva_lightning.evaluation.results import Results
from asva_lightning.evaluation.score import Measure, score
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.motion_correlation import MotionCorrelation
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.callbacks.sampling import (
    AnimatesClips,
    ChosenClips,
    fixed_clips,
    pair_of,
    sample_together,
)
from asva_lightning.training.ranks import all_or_none, gather
from asva_lightning.training.task import AnimationTask

logger = logging.getLogger(__name__)


def sync_measures() -> dict[str, Measure]:
    """Measures that need no trained weights; motion correlation needs the true video."""
    return {
        "motion_correlation": MotionCorrelation(),
        "onset_f1": OnsetF1(),
        "onset_motion_correlation": OnsetMotionCorrelation(),
        "av_align": AVAlign(),
    }


def merge(parts: Sequence[Results], measures: Iterable[str], facts: Mapping[str, str | float]) -> Results:
    """Results of single clips, put together; each measure has a place, though not one clip could be judged."""
    results = Results({name: {} for name in measures}, {}, dict(facts), versions=versions())
    for part in parts:
        results.texts |= part.texts
        results.videos |= part.videos
        results.excluded |= part.excluded
        for name, of_clips in part.values.items():
            results.values[name].update(of_clips)
    return results


def judge(
    trainer: pl.Trainer,
    task: AnimationTask,
    chosen: ChosenClips,
    animations: Mapping[int, Animation],
    measures: Mapping[str, Measure] | None = None,
) -> Results:
    """Judge this rank's animations against the true clips, and put the results of all ranks together.

    Clips that could not be read, and samples that hold NaN or infinity, are in ``excluded``.

    Args:
        trainer: Knows the ranks.
        task: Knows the clip format and how samples were drawn.
        chosen: The true clips.
        animations: Number of the clip to what this rank made of it. It is judged with the true sound.
        measures: Name to measure; those that need no weights if not given.
    """
    measures = sync_measures() if measures is None else measures
    mine = {}
    with all_or_none(trainer):
        for place, animation in animations.items():
            clip, key = chosen.clips[place], animation.pair.key
            reason = "" if animation.finite else NOT_FINITE
            if not clip.waveform.isfinite().all():
                reason = "the true sound holds values that are no finite numbers"
            if reason:
                logger.warning("%s is not judged: %s. %s", key, reason, ADVICE if not animation.finite else "")
                mine[place] = Results({}, {}, excluded={key: reason})
                continue
            judged = EvaluatedClip(key, animation.pixels, clip.waveform, clip.text or clip.category, clip.pixels)
            mine[place] = score([judged], measures, task.format)
            mine[place].videos = {key: clip.key}
    results = merge(gather(trainer, mine), measures, facts_of(task, measures))
    results.excluded |= chosen.excluded
    return results


def facts_of(task: AnimationTask, measures: Mapping[str, Measure]) -> dict[str, str | float]:
    """What heads the table of samples that a task makes; ``legacy`` where a measure does as the original by mistake."""
    format, guidance = task.format, task.sampling.guidance
    legacy = "; ".join(f"{name}: {text}" for name, text in Panel(measures, {}).legacy().items())
    return {
        "frames": format.frames,
        "fps": format.fps,
        "size": f"{format.height}x{format.width}",
        "guidance audio": guidance.audio,
        "text": guidance.text,
        "sync": guidance.sync,
        "sampling steps": task.sampling.steps,
        "seed": task.seed,
        "step": task.steps_done,
        **({"legacy": legacy} if legacy else {}),
    }


class SyncScores(AnimatesClips):
    """Animates fixed clips, judges how well they follow the sound, and logs ``sync/<measure>``.

    ``sync/clips`` is how many clips were judged, ``sync/excluded`` how many could not be, where there are some. The
    random state of training is left as it was, whatever the measures draw.

    Args:
        every: Optimizer steps between scores.
        clips: How many validation clips to judge.
        test_clips: How many test clips to judge in ``test``; all if not given.
        measures: Name to measure; those that need no weights if not given.
        seconds: What a score while training may cost: fewer than ``clips`` are judged if they would take longer. How
            many fit is told by the time of the first clip of a start (of one a rank), and then stays, so that its
            scores are of the same clips. At least one is judged, and what was timed is part of the first score.
    """

    stages = ("fit", "test")

    def __init__(
        self,
        every: int = 1000,
        clips: int = 16,
        test_clips: int | None = None,
        measures: dict[str, Measure] | None = None,
        seconds: float | None = None,
    ) -> None:
        if every < 1 or clips < 1:
            raise ConfigurationError("SyncScores needs every >= 1 and clips >= 1.")
        if seconds is not None and seconds <= 0:
            raise ConfigurationError(f"SyncScores needs seconds above 0, not {seconds}. Leave it out for no limit.")
        self.every = every
        self.clips = clips
        self.test_clips = test_clips
        self.measures = measures or sync_measures()
        self.seconds = seconds
        self._fitting: int | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let the measures judge a blank clip, before anything costs time.

        Raises:
            ConfigurationError: If shards hold latents, or a measure cannot judge clips of the format.
        """
        super().setup(trainer, pl_module, stage)
        if stage in self.stages and isinstance(pl_module, AnimationTask):
            check_measures(self.measures, pl_module.format)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Judge where it is time."""
        if trainer.global_step % self.every or trainer.fit_loop._should_accumulate():
            return
        assert isinstance(pl_module, AnimationTask)
        with isolate_rng():
            timed: Results | None = None
            if self.seconds is not None and self._fitting is None:
                self._fitting, timed = self._measure(trainer, pl_module, self.seconds)
            results = self._score(trainer, pl_module, "validate", self._fitting or self.clips, timed)
        values = {f"sync/{name}": results.overall(name).mean for name in self.measures}
        counts = {"sync/clips": float(len(results.texts))}
        if results.excluded:
            counts["sync/excluded"] = float(len(results.excluded))
        for log in trainer.loggers:
            log.log_metrics({**values, **counts}, step=trainer.global_step)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge the test clips, and write the values of each."""
        assert isinstance(pl_module, AnimationTask)
        results = self._score(trainer, pl_module, "test", self.test_clips)
        if trainer.is_global_zero:
            path = RunFolder(Path(trainer.default_root_dir)).path / "test.json"
            results.write(path)
            logger.info("%s\n\nwritten to %s", results.table(), path)

    def _measure(self, trainer: pl.Trainer, task: AnimationTask, seconds: float) -> tuple[int, Results]:
        """How many clips fit into the time, and the results of those that told it.

        One clip a rank tells; the slowest rank's time counts, on all ranks.
        """
        began = monotonic()
        timed = self._score(trainer, task, "validate", trainer.world_size)
        taken = max(gather(trainer, {trainer.global_rank: monotonic() - began}))
        return clips_within(seconds, taken, self.clips, trainer.world_size), timed

    def _score(
        self, trainer: pl.Trainer, task: AnimationTask, stage: str, count: int | None, known: Results | None = None
    ) -> Results:
        """Animate and judge so many clips; those that ``known`` has results of are not done again."""
        chosen = fixed_clips(trainer, stage, count)
        known = Results({}, {}) if known is None else _only(known, {pair_of(clip).key for clip in chosen.clips})
        done = known.texts.keys() | known.excluded.keys()
        chosen = replace(chosen, clips=[clip for clip in chosen.clips if pair_of(clip).key not in done])
        animations = sample_together(trainer, task, [pair_of(clip) for clip in chosen.clips])
        rest = judge(trainer, task, chosen, animations, self.measures)
        return merge([known, rest], self.measures, rest.facts)


def _only(results: Results, keys: Collection[str]) -> Results:
    """The results of some clips; those of others are left out."""

    def kept(of_clips: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in of_clips.items() if key in keys}

    values = {name: kept(of_clips) for name, of_clips in results.values.items()}
    return Results(values, kept(results.texts), videos=kept(results.videos), excluded=kept(results.excluded))


def clips_within(seconds: float, taken: float, most: int, at_once: int = 1) -> int:
    """How many clips may be judged in some time.

    Args:
        seconds: The time that there is.
        taken: What ``at_once`` clips took, all ranks at work.
        most: So many are enough.
        at_once: Clips that are judged at the same time, one on each rank.

    Returns:
        At least 1, so that there is a score.
    """
    rounds = max(1, int(seconds / taken)) if taken > 0 else most
    return min(most, rounds * at_once)
