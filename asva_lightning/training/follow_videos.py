"""Where the videos of a test of following come from: made by a pipeline, or found as the files of another system."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asva_lightning.diffusion import Guidance
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.generators import Request, lacking_videos, make_videos, missing_videos, read_videos
from asva_lightning.evaluation.judging import check_generated
from asva_lightning.evaluation.pipeline_generator import PipelineGenerator
from asva_lightning.media import ClipFormat
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.pipeline_digest import pipeline_digest
from asva_lightning.training.sources import open_pipeline
from asva_lightning.worklist import work

logger = logging.getLogger(__name__)

Sets = Mapping[str, Sequence[Request]]
"""Requests that are answered together, by name."""


@dataclass(frozen=True)
class FollowedVideos(ABC):
    """Videos of one system, as files.

    Args:
        folder: Where they are, or will be.
        format: What a clip is.
    """

    folder: Path
    format: ClipFormat

    @property
    @abstractmethod
    def facts(self) -> dict[str, str | float]:
        """What the numbers depend on, besides the clips."""

    @abstractmethod
    def prepare(self, sets: Sets, selection: Mapping[str, Any]) -> None:
        """See to it that every video is there.

        Args:
            sets: What is asked for.
            selection: How the clips were chosen. A clip's noise depends on it, so videos of two selections do not mix.

        Raises:
            ConfigurationError: If videos are missing, or others were made in this folder.
            MediaError: If a video cannot be judged.
            WorkFailed: If some could not be made.
        """

    def read(self, requests: Sequence[Request]) -> list[Tensor]:
        """Videos ``(3, f, h, w)`` uint8, in the order of the requests.

        Raises:
            MediaError: If one cannot be read.
        """
        return read_videos(requests, self.folder, self.format)


@dataclass(frozen=True)
class MadeVideos(FollowedVideos):
    """Videos that a pipeline makes, as many as are not there yet.

    Args:
        folder: Where they are, or will be.
        format: What a clip is.
        generator: The pipeline.
        about: What is known of it.
        digest: What identifies it, see :func:`~asva_lightning.training.pipeline_digest.pipeline_digest`.
    """

    generator: PipelineGenerator
    about: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def facts(self) -> dict[str, str | float]:
        """The checkpoint, and how it is sampled."""
        guidance = self._guidance
        known = {name: self.about[name] for name in ("optimizer steps", "weights") if name in self.about}
        return {
            "checkpoint": str(self.about["checkpoint"]),
            "digest": self.digest,
            **known,
            "audio guidance": guidance.audio,
            "text guidance": guidance.text,
            "steps": self.generator.pipeline.steps,
            "seed": self.generator.seed,
        }

    def prepare(self, sets: Sets, selection: Mapping[str, Any]) -> None:
        """Make what is missing or was made otherwise, set by set; what is made stays when it is stopped."""
        journal = self.folder.parent / "journal.jsonl"
        made_by = {
            "digest": self.digest, "guidance": asdict(self._guidance), "steps": self.generator.pipeline.steps,
            "seed": self.generator.seed, "format": asdict(self.format),
        }  # fmt: skip

        def make(name: str) -> dict[str, Any]:
            make_videos(sets[name], self.generator, self.folder, self.format, made_by)
            return {"videos": len(sets[name])}

        settings = {**self.about, **self.facts, **selection}
        work(list(sets), make, key=str, title="videos", journal=journal, settings=settings, retry_failures=True).check()
        # The journal knows what was made, not whether it is still there.
        lost = {name: lacking_videos(requests, self.folder, made_by) for name, requests in sets.items()}
        if any(lost.values()):
            count = sum(len(requests) for requests in lost.values())
            logger.warning("%s: %d videos are gone or were replaced, and are made again.", self.folder, count)
        for name in (name for name, requests in lost.items() if requests):
            make(name)

    @property
    def _guidance(self) -> Guidance:
        return self.generator.guidance or self.generator.pipeline.guidance


@dataclass(frozen=True)
class FoundVideos(FollowedVideos):
    """Videos that another system made of pairs which ``--pairs`` wrote."""

    @property
    def facts(self) -> dict[str, str | float]:
        """The folder."""
        return {"generated": str(self.folder)}

    def prepare(self, sets: Sets, selection: Mapping[str, Any]) -> None:
        """Check that every video is there under its name, and is a clip of the format.

        Raises:
            ConfigurationError: If videos are missing.
            MediaError: If one cannot be read, or has another length, rate or size.
        """
        requests = [request for of_set in sets.values() for request in of_set]
        missing = missing_videos(requests, self.folder)
        if missing:
            raise ConfigurationError(
                f"{self.folder} lacks {len(missing)} of {len(requests)} videos, such as {missing[0]}. A video has the "
                "name of its pair; write the pairs with --pairs FOLDER and otherwise the same words."
            )
        for request in requests:
            check_generated(str(self.folder / f"{request.key}.mp4"), self.format, needs_sound=False)


def format_of_others(format: ClipFormat | None, checkpoint: str | None) -> ClipFormat:
    """The clip format of a system outside this package; the method's if none is given.

    Raises:
        ConfigurationError: If a checkpoint is given, which has a format of its own.
    """
    if format is not None and checkpoint is not None:
        raise ConfigurationError("--format is for videos of other systems; a checkpoint knows its own. Leave it out.")
    return format or ClipFormat()


def check_ways(checkpoint: str | None, generated: str | None, pairs: str | None) -> None:
    """Check that it is said where videos come from, in one way.

    Raises:
        ConfigurationError: If not exactly one way is given.
    """
    if sum(way is not None for way in (checkpoint, generated, pairs)) != 1:
        raise ConfigurationError(
            "Give one of three: --checkpoint MODEL to make the videos and judge them, --pairs FOLDER to write what "
            "another system is to animate, --generated FOLDER to judge its videos."
        )


def made_by(
    checkpoint: str,
    output: Path,
    seed: int,
    batch_size: int,
    audio_guidance: float | None,
    text_guidance: float | None,
    weights: Which,
    stable_diffusion: str,
) -> MadeVideos:
    """Videos of whatever can animate, in ``videos`` below the output folder.

    Args:
        checkpoint: What :func:`~asva_lightning.training.sources.open_pipeline` opens.
        output: The output folder.
        seed: Seed of the noise.
        batch_size: Videos that are made together.
        audio_guidance: How strongly to follow the sound; the model's own if not given.
        text_guidance: How strongly to follow the text; the model's own if not given.
        weights: For runs, the averaged weights or the raw ones.
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Raises:
        RunError: If the checkpoint is nothing that can be opened.
        WeightsError: If weights are missing, damaged, or do not fit.
        ConfigurationError: If guidance is negative, or the batch size below 1.
    """
    if batch_size < 1:
        raise ConfigurationError(f"--batch_size must be 1 or more, not {batch_size}.")
    opened = open_pipeline(checkpoint, weights, stable_diffusion)
    pipeline = opened.pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    asked = {"audio": audio_guidance, "text": text_guidance}
    guidance = replace(pipeline.guidance, **{name: value for name, value in asked.items() if value is not None})
    generator = PipelineGenerator(pipeline, seed, batch_size, guidance)
    about = {**opened.about, "checkpoint": checkpoint, "weights": weights}
    return MadeVideos(output / "videos", pipeline.format, generator, about, pipeline_digest(pipeline))
