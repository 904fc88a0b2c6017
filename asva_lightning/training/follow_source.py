"""Where the videos of a test of following come from: the options that both tests have, and what they open."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from asva_lightning.data.randomness import check_seed
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.pipeline_generator import PipelineGenerator
from asva_lightning.media import ClipFormat
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.follow_videos import FollowedVideos, FoundVideos, MadeVideos
from asva_lightning.training.pipeline_digest import pipeline_digest
from asva_lightning.training.sources import STABLE_DIFFUSION, open_pipeline

logger = logging.getLogger(__name__)

OF_CHECKPOINTS = ("seed", "audio_guidance", "text_guidance", "batch_size", "weights", "stable_diffusion")
"""Options that say how a checkpoint makes videos; those of another system are made already, or elsewhere."""


# jsonargparse finds these options by reading the commands, so each has to call VideoSource(**source) in these words.
@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """Where the videos come from: the options that both tests have.

    Args:
        checkpoint: What is tested: a run folder or a checkpoint in one, an exported folder or the Hub id of one, or a
            checkpoint folder of the original.
        generated: In place of a checkpoint, a folder of finished mp4s of any system.
        pairs: Folder to write what another system is to animate: ``NAME.png``, ``NAME.wav`` and ``pairs.csv``. Its
            videos ``NAME.mp4`` are then judged with ``--generated`` and otherwise the same words.
        seed: Seed of the noise.
        audio_guidance: How strongly to follow the sound; as the model samples if not given.
        text_guidance: How strongly to follow the text; as the model samples if not given.
        batch_size: Videos that are made together.
        format: What a clip is, for videos of other systems; the method's if not given.
        weights: For runs, the averaged weights (``ema``) or those of the last step (``raw``).
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Raises:
        ConfigurationError: If not exactly one of checkpoint, generated and pairs is given, a format is given beside a
            checkpoint, the seed is negative, or the batch size is below 1.
    """

    checkpoint: str | None = None
    generated: str | None = None
    pairs: str | None = None
    seed: int = 0
    audio_guidance: float | None = None
    text_guidance: float | None = None
    batch_size: int = 8
    format: ClipFormat | None = None
    weights: Which = "ema"
    stable_diffusion: str = STABLE_DIFFUSION

    def __post_init__(self) -> None:
        if sum(way is not None for way in (self.checkpoint, self.generated, self.pairs)) != 1:
            raise ConfigurationError(
                "Give one of three: --checkpoint MODEL to make the videos and judge them, --pairs FOLDER to write what "
                "another system is to animate, --generated FOLDER to judge its videos."
            )
        check_seed(self.seed)
        if self.batch_size < 1:
            raise ConfigurationError(f"--batch_size must be 1 or more, not {self.batch_size}.")
        if self.format is not None and self.checkpoint is not None:
            raise ConfigurationError(
                "--format is for videos of other systems; a checkpoint knows its own. Leave it out."
            )

    def open(self, output: str) -> tuple[FollowedVideos | None, ClipFormat]:
        """The videos, none where only pairs are written, and what a clip is.

        Args:
            output: The output folder; a checkpoint's videos are made in ``videos`` below it.

        Raises:
            ConfigurationError: If guidance is negative.
            RunError: If the checkpoint is nothing that can be opened.
            WeightsError: If weights are missing, damaged, or do not fit.
        """
        if self.checkpoint is not None:
            made = self._made(self.checkpoint, Path(output) / "videos")
            return made, made.format
        idle = [f"--{name}" for name in OF_CHECKPOINTS if getattr(self, name) != getattr(VideoSource, name)]
        if idle:
            logger.warning("Without --checkpoint these have no effect: %s.", ", ".join(idle))
        format = self.format or ClipFormat()
        return None if self.generated is None else FoundVideos(Path(self.generated), format), format

    def _made(self, checkpoint: str, folder: Path) -> MadeVideos:
        opened = open_pipeline(checkpoint, self.weights, self.stable_diffusion)
        pipeline = opened.pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
        asked = {"audio": self.audio_guidance, "text": self.text_guidance}
        guidance = replace(pipeline.guidance, **{name: value for name, value in asked.items() if value is not None})
        generator = PipelineGenerator(pipeline, self.seed, self.batch_size, guidance)
        about = {**opened.about, "checkpoint": checkpoint, "weights": self.weights}
        return MadeVideos(folder, pipeline.format, generator, about, pipeline_digest(pipeline))
