"""The videos of a test of following: made by a pipeline, or found as the files of another system."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.diffusion import Guidance
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.generators import Request, lacking_videos, make_videos, missing_videos, read_videos
from asva_lightning.evaluation.judging import check_generated
from asva_lightning.evaluation.pipeline_generator import PipelineGenerator
from asva_lightning.media import ClipFormat
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
