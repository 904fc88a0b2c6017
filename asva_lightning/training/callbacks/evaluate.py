"""Evaluation in ``test``: the test clips are animated at some guidance scales, and the files scored."""

import json
import logging
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl

from asva_lightning.data.batch import ClipSample
from asva_lightning.data.clips import FixedClips, NoGoodClip
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.diffusion import Animation, AnimationPipeline, Guidance, Sampling, generate, share
from asva_lightning.diffusion.finite import ADVICE, NOT_FINITE
from asva_lightning.diffusion.generate import write_animation
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.blank_clip import check_measures
from asva_lightning.evaluation.evaluate import (
    Evaluation,
    evaluate,
    features_folder,
    identity_of,
    judge_part,
    versions,
)
from asva_lightning.evaluation.guidance_curve import write_guidance_curve
from asva_lightning.evaluation.judging import PairJudge, SoundOf
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.references import digest
from asva_lightning.evaluation.results import Results
from asva_lightning.files import write_text
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.callbacks.evaluation_folder import (
    EvaluationFolder,
    PlannedClip,
    checkpoint_digest,
    planned,
)
from asva_lightning.training.callbacks.sampling import AnimatesClips
from asva_lightning.training.ranks import all_or_none
from asva_lightning.training.task import AnimationTask

logger = logging.getLogger(__name__)

Kind = Literal["average", "raw"]
"""Which weights animate."""


class Evaluate(AnimatesClips):
    """In ``test``, animates the test clips and scores the files, at one guidance scale after the other.

    Below the run folder, ``evaluation/step_000500/guidance_4/`` gets ``<category>/<name>_clip-00.mp4`` and so on, each
    with its JSON file, then ``results.json`` and ``results.md``, as ``evaluate`` writes them. With several scales,
    ``evaluation/step_000500/guidance.md`` and ``guidance.svg`` have the scores over the scale. A clip whose JSON file
    tells of the same checkpoint and settings is kept, so a start that was interrupted is continued by the same words.

    All ranks share the sampling and the judging of clips.

    Args:
        guidance: Scales of guidance by sound; that of the sampling if not given.
        sampling: How samples are drawn; as the recipe says if not given.
        seed: Seed of the noise; the recipe's if not given.
        weights: The average of the weights, the weights themselves (put below ``step_000500_raw``), or both.
        clips_per_reference: Clips of each video, spread evenly over it; ``data.clips_per_sample`` if not given.
        videos: How many test videos, spread evenly over all; all if not given.
        measures: Measures that need no weights, by name; all if not given.
        judges: Further measures: name to ``class_path`` and ``init_args``.
        sound: Whose sound is judged: that of the generated file, that of the true clip, or the latter scrambled as the
            original read it, for numbers beside published ones.
        batch_size: Clips that a device animates together.
        workers: Processes of each rank that score; with 1, networks that judge run on the rank's GPU.
        set_resamples: Draws of the bootstrap of a distance between sets.

    Raises:
        ConfigurationError: If a number is too small, a scale is named twice, or a measure is unknown.
    """

    stages = ("test",)

    def __init__(
        self,
        guidance: list[float] | None = None,
        sampling: Sampling | None = None,
        seed: int | None = None,
        weights: Literal["average", "raw", "both"] = "average",
        clips_per_reference: int | None = None,
        videos: int | None = None,
        measures: list[str] | None = None,
        judges: dict[str, dict] | None = None,  # type: ignore[type-arg]  # jsonargparse makes what is in an Any
        sound: SoundOf = "generated",
        batch_size: int = 8,
        workers: int = 2,
        set_resamples: int = 20,
    ) -> None:
        for name, value in (
            ("clips_per_reference", clips_per_reference),
            ("videos", videos),
            ("batch_size", batch_size),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"Evaluate needs {name} to be 1 or more, not {value}.")
        if guidance is not None and (not guidance or len(set(guidance)) < len(guidance)):
            raise ConfigurationError(f"Evaluate needs different scales as guidance, such as [1, 2, 4], not {guidance}.")
        self.scales = guidance
        self.sampling = sampling
        self.seed = seed
        self.weights = weights
        self.clips_per_reference = clips_per_reference
        self.videos = videos
        self.panel = PanelDescription.of(measures, judges)
        self.sound: SoundOf = sound
        self.batch_size = batch_size
        self.workers = workers
        self.set_resamples = set_resamples

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Try sampling, scales and measures, before anything costs time.

        Raises:
            ConfigurationError: If the shards hold latents, the sampling does not fit the objective, a scale is none,
                or a measure cannot be made or cannot judge clips of the format.
        """
        super().setup(trainer, pl_module, stage)
        if stage not in self.stages:
            return
        assert isinstance(pl_module, AnimationTask)
        sampling = self.sampling or pl_module.sampling
        sampling.make_scheduler(pl_module.objective)
        self._guidances(sampling)
        panel = self.panel.build()
        texts = [clip.sample.text for clip in planned(self._clips(trainer), self.videos)[:1]]
        check_measures(panel.of_clips, pl_module.format, panel.of_sets, *texts)

    def _guidances(self, sampling: Sampling) -> list[Guidance]:
        return [replace(sampling.guidance, audio=scale) for scale in self.scales or [sampling.guidance.audio]]

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Animate what is missing, score it, and write the results.

        By now the task has taken its average back, so that both kinds of weights can be had.
        """
        assert isinstance(pl_module, AnimationTask)
        clips = self._clips(trainer)
        both = self.weights == "both" and pl_module.average is not None
        kinds: list[Kind] = ["average", "raw"] if both else ["raw" if self.weights == "raw" else "average"]
        runs = {kind: self._runs(trainer, pl_module, clips, kind) for kind in kinds}
        for kind in kinds:
            with pl_module.averaged() if kind == "average" else nullcontext():
                for run in runs[kind]:
                    self._animate(trainer, pl_module, run, clips)
        trainer.strategy.barrier("clips written")
        for kind in kinds:
            for run in runs[kind]:
                self._score(trainer, pl_module, run, clips)
            with all_or_none(trainer):
                if trainer.is_global_zero:
                    self._compare(runs[kind])

    def _clips(self, trainer: pl.Trainer) -> FixedClips:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, ClipDataModule):
            raise ConfigurationError("Evaluate needs asva_lightning.data.ClipDataModule as --data.")
        return data.fixed_clips("test", self.clips_per_reference)

    def _runs(self, trainer: pl.Trainer, task: AnimationTask, clips: FixedClips, kind: Kind) -> list[EvaluationFolder]:
        """A folder for every scale, with the files that belong into it."""
        sampling = self.sampling or task.sampling
        plan = planned(clips, self.videos)
        about = {
            "seed": task.seed if self.seed is None else self.seed,
            "step": task.steps_done,
            "steps": sampling.steps,
            "scheduler": {"name": sampling.scheduler, "options": sampling.options},
            "weights": "raw" if task.average is None else kind,
            "checkpoint": checkpoint_digest(Path(str(trainer.ckpt_path))),
            "format": asdict(task.format),
        }
        folder = RunFolder(Path(trainer.default_root_dir)).path / "evaluation" / f"step_{task.steps_done:06d}"
        folder = folder.with_name(folder.name + "_raw" * (kind == "raw"))
        return [
            EvaluationFolder(folder / f"guidance_{guidance.audio:g}", sampling, guidance, about, plan)
            for guidance in self._guidances(sampling)
        ]

    def _animate(self, trainer: pl.Trainer, task: AnimationTask, run: EvaluationFolder, clips: FixedClips) -> None:
        """Make the files that are not there; every rank takes its share and makes equally many forward passes."""
        todo: list[PlannedClip] = trainer.strategy.broadcast(run.undone() if trainer.is_global_zero else [])
        pipeline = AnimationPipeline.of(task.denoiser, task.conditioner, task.objective, run.sampling, task.format)
        rank, world = trainer.global_rank, trainer.world_size
        places = share(len(todo), rank, world)
        for first in range(0, len(places), self.batch_size):
            batch = [todo[place] for place in places[first : first + self.batch_size]]
            with all_or_none(trainer):
                read = [read_test_clip(clips, clip.position) for clip in batch]
            pairs = [clip.pair(sample) for clip, sample in zip(batch, read)]
            animations = generate(
                pipeline, pairs, seed=run.about["seed"], batch_size=self.batch_size, guidance=run.guidance
            )
            with all_or_none(trainer):
                for turn, animation in enumerate(animations):
                    repeated = rank + (first + turn) * world >= len(todo)
                    if read[turn].real and not repeated:
                        self._write(pipeline, animation, run, batch[turn])
            if rank == 0:
                done = min(len(todo), (first + len(batch)) * world)
                logger.info("%s: %d of %d clips animated", run.folder.name, done, len(todo))

    def _write(
        self, pipeline: AnimationPipeline, animation: Animation, run: EvaluationFolder, clip: PlannedClip
    ) -> None:
        if not animation.finite:
            logger.warning("%s: %s. %s", clip.key, NOT_FINITE, ADVICE)
            run.write_not_finite(clip)
            return
        run.forget(clip)
        write_animation(pipeline, animation, run.folder, run.facts(clip))

    def _score(self, trainer: pl.Trainer, task: AnimationTask, run: EvaluationFolder, clips: FixedClips) -> None:
        """Score the files of a scale, unless that is done: each rank judges its share, the first puts them together."""
        evaluation: Evaluation | None = None
        done, several = False, trainer.world_size > 1
        with all_or_none(trainer):
            if trainer.is_global_zero:
                evaluation = self._evaluation(task, run, clips)
                done = is_scored(run.results, evaluation)
        # One rank asks what files there are: on a network disk the others may see other times of the same files.
        evaluation, done = trainer.strategy.broadcast((evaluation, done))
        if done:
            logger.info("%s is up to date", run.results)
            return
        assert evaluation is not None
        if several:
            with all_or_none(trainer):
                judge_part(evaluation, run.results, (trainer.global_rank + 1, trainer.world_size), self.workers)
        with all_or_none(trainer):
            if trainer.is_global_zero:
                # What another rank could not judge is not tried again here: all would wait for one.
                results = evaluate(evaluation, run.results, self.workers, retry_failures=not several)
                write_text(run.results.with_suffix(".md"), results.table() + "\n")
                logger.info("%s\n\nwritten to %s", results.table(), run.results)

    def _evaluation(self, task: AnimationTask, run: EvaluationFolder, clips: FixedClips) -> Evaluation:
        """What is to be judged, as the files are now."""
        features = str(features_folder(run.results)) if self.panel.build().of_sets else None
        judge = PairJudge(task.format, self.panel, self.sound, clips.clips_per_sample, features)
        pairings = run.pairings()
        return Evaluation(
            pairings, judge, digest(run.references), "test", self.set_resamples, run.not_finite(),
            identity_of(pairings.pairs),
        )  # fmt: skip

    def _compare(self, runs: list[EvaluationFolder]) -> None:
        """Warn of clips that are not in the results, and put the scales together if there are several."""
        results = {run.guidance.audio: Results.read(run.results) for run in runs}
        for run, one in zip(runs, results.values()):
            if one.excluded or one.missing:
                logger.warning(
                    "%s: %d clips excluded, %d missing; %s says why",
                    run.folder, len(one.excluded), len(one.missing), run.results.with_suffix(".md").name,
                )  # fmt: skip
        if len(results) > 1:
            folder = runs[0].folder.parent
            logger.info("%s\n\nwritten to %s", write_guidance_curve(folder, results), folder / "guidance.md")


def read_test_clip(clips: FixedClips, position: int) -> ClipSample:
    """Read a clip; where it is bad, another one that is not ``real``, so that ranks stay in step.

    Raises:
        MediaError: If there is no good one near it either.
    """
    clip = clips[position]
    if isinstance(clip, NoGoodClip):
        name = clip.bad[0].key if clip.bad else f"test clip {position}"
        reason = clip.bad[0].reason if clip.bad else "is in quarantine"
        raise MediaError(name, f"{reason}; nor can the clips after it be read. Check the shards with `shards lint`.")
    return clip


def is_scored(results: Path, evaluation: Evaluation) -> bool:
    """Whether a file of results is what this evaluation would give; results are removed when their clips are."""
    if not results.is_file():
        return False
    try:
        known = Results.read(results)
    except ConfigurationError as error:
        logger.warning("All clips are judged anew: %s", error)
        return False
    keys = {pair.key for pair in evaluation.pairings.pairs} | evaluation.excluded.keys()
    draws = {name: known.facts[name] for name in ("draws of sets",) if name in known.facts}
    asked = json.loads(json.dumps(evaluation.protocol)), versions(), evaluation.pairings.missing, keys, evaluation.draws
    met = known.protocol, known.versions, known.missing, known.texts.keys() | known.excluded.keys(), draws
    return asked == met
