"""ClipDataModule: clips for training, validation, test and prediction, from a folder of shards."""

import logging
import os
from dataclasses import replace
from typing import Literal

import lightning.pytorch as pl

from asva_lightning.data.batch import NO_PIXELS, ClipBatch
from asva_lightning.data.build import build, is_built
from asva_lightning.data.clips import ClipReader, FixedClips, TrainingClips
from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.loader import FixedLoader, Reading, TrainingLoader
from asva_lightning.data.manifest import Dataset, SampleRecord
from asva_lightning.data.mixture import BareShards, Mixture, open_shards
from asva_lightning.data.order import FixedSampler
from asva_lightning.data.quarantine import Quarantine
from asva_lightning.data.streaming import StreamedClips
from asva_lightning.data.synthsync import SynthSync
from asva_lightning.data.synthsync.source import SynthSyncSource
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.media import ClipFormat

logger = logging.getLogger(__name__)


class ClipDataModule(pl.LightningDataModule):
    """Streams shards as :class:`ClipBatch`.

    Training takes random crops in time and mirrors clips; it never ends and is counted in optimizer steps. Validation
    and test take the same clips every time.

    Args:
        shards: Folder of shards, made by ``shards build``; or tars as a pattern such as ``clips/{000000..000123}.tar``
            or ``clips/*.tar``; or an address of either (``https://``, ``s3://``, ``gs://``); or a list of these, which
            is a mixture: a pass meets every clip of each once.
        format: What a clip is.
        batch_size: Clips of one optimizer step over all devices together.
        workers: Processes on each device that read clips.
        seed: Seed of the order, crops and flips.
        flip: Share of training clips that are mirrored.
        clips_per_sample: Clips of each sample in validation and test, spread evenly over it.
        validation_split: Split to validate on; ``validation`` if there is one, else ``test``.
        generator: A synthetic data set that is generated into ``shards`` when that folder does not exist.
        pin_memory: Make batches in page-locked memory, which speeds up copies to a GPU.
        evaluation_shards: Where the clips of validation and test are, if not in ``shards``. Training does without them
            where neither has any; validation is then left out, with a warning.
        quarantine: List of clips that are not to be opened: ``bad_clips.jsonl`` of an earlier run.
        stall_seconds: How long to wait for a batch before the clip that hangs is named and the run ends.
        encode_audio: Encode the sound while training even if the shards hold its tokens; clips then start anywhere.
        evaluation_start: Where validation, test and predict take the one clip of a sample: at its beginning, as if not
            given, or in its ``middle``. Callbacks that sample clips of their own take the beginning.
    """

    def __init__(
        self,
        shards: str | list[str],
        format: ClipFormat,
        batch_size: int = 64,
        workers: int = 2,
        seed: int = 0,
        flip: float = 0.5,
        clips_per_sample: int = 1,
        validation_split: str | None = None,
        generator: SynthSync | None = None,
        pin_memory: bool = False,
        evaluation_shards: str | list[str] | None = None,
        quarantine: str | None = None,
        stall_seconds: float = 600.0,
        encode_audio: bool | None = None,
        evaluation_start: Literal["beginning", "middle"] | None = None,
    ) -> None:
        super().__init__()
        self.shards = shards
        self.evaluation_shards = evaluation_shards
        self.format = format
        self.batch_size = batch_size
        self.reading = Reading(workers, pin_memory, stall_seconds)
        self.seed = seed
        self.flip = flip
        self.clips_per_sample = clips_per_sample
        self.validation_split = validation_split
        self.generator = generator
        self.encode_audio = bool(encode_audio)
        self.evaluation_start = evaluation_start
        self._quarantine_list = quarantine
        self._training: TrainingLoader | None = None
        self._told_of_lack = False
        self._fitting: dict[tuple[str, str], list[SampleRecord]] = {}
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("workers", workers, 0),
            ("clips_per_sample", clips_per_sample, 1),
            ("stall_seconds", stall_seconds, 1),
        ):
            if value < least:
                raise ConfigurationError(f"--data.{name} must be at least {least}, not {value}.")
        if not 0 <= flip <= 1:
            raise ConfigurationError(f"--data.flip is a share of clips from 0 to 1, not {flip}.")
        if evaluation_start is not None and clips_per_sample > 1:
            raise ConfigurationError(
                f"--data.evaluation_start places the one clip of a sample, but --data.clips_per_sample is "
                f"{clips_per_sample}, which are spread evenly. Set either to its default."
            )

    def prepare_data(self) -> None:
        """Generate the shards on first use, once on each node.

        Raises:
            ShardsError: If the shards are missing and nothing generates them, or they are of another generator.
        """
        if self.generator is None:
            open_shards(self.shards)
            return
        source = SynthSyncSource(self.generator)
        if not isinstance(self.shards, str):
            raise ConfigurationError("data.generator makes one folder of shards: set --data.shards to one folder.")
        if not is_built(self.shards):
            logger.info("Generating %s on first use", self.shards)
            report = build(source, self.shards, workers=os.cpu_count() or 1)
            logger.info("%s", report.text)
            return
        made_from = Dataset.open(self.shards).description["made_from"]
        if made_from.get("source") != source.describe()["source"]:
            raise ShardsError(
                f"{self.shards} holds clips of your own, but data.generator asks for generated ones. "
                "Set --data.generator null to train on yours, or --data.shards to another folder."
            )
        if made_from != source.describe():
            raise ShardsError(
                f"{self.shards} was generated with other settings than data.generator asks for. "
                "Delete the folder to have it made again, or set --data.shards to another one."
            )

    def setup(self, stage: str) -> None:
        """Check that shards and format fit each other, before anything costs time.

        Raises:
            ShardsError: If something is missing, such as the split of the stage; `fit` needs only that of training.
            ConfigurationError: If the clips do not fit the format, or those to evaluate have no manifest.
        """
        opened = open_shards(self.shards)
        if isinstance(opened, BareShards):
            logger.warning(
                "%s has no manifest: the shards are streamed. A resumed run goes on with other clips than those that "
                "would have come, and nobody knows how many there are.", opened.shards[0],
            )  # fmt: skip
        if stage == "fit" and isinstance(opened, Mixture):
            self._samples(opened, "train")
        if stage != "fit" or self._has("validate"):
            self._fixed_samples(self._evaluated(), stage)
        for encoded in self.encoded_shards():
            encoded.check_format(self.format, audio=not self.encode_audio)

    def encoded_shards(self) -> list[EncodedShards]:
        """Those of the shards for training and evaluation that hold latents in place of media files.

        Raises:
            ConfigurationError: If a mixture holds both, or latents of several kinds.
        """
        named = [open_shards(self.shards)]
        if self.evaluation_shards is not None:
            named.append(self._evaluated())
        told = [EncodedShards.of_mixture(opened) for opened in named if isinstance(opened, Mixture)]
        return [encoded for encoded in told if encoded is not None]

    def check_pixels(self) -> None:
        """Refuse to go on where the clips of validation and test have no pixels, for those who need them.

        Raises:
            ConfigurationError: If the shards hold latents.
        """
        encoded = EncodedShards.of_mixture(self._evaluated())
        if encoded is not None:
            raise ConfigurationError(f"{NO_PIXELS} They are {encoded.shards}.")

    def train_dataloader(self) -> TrainingLoader:
        """The endless stream of this rank."""
        opened = open_shards(self.shards)
        clips: TrainingClips | StreamedClips
        if isinstance(opened, BareShards):
            clips = StreamedClips(
                opened.shards, self.format, self.seed, self.flip, self._rank, self._world_size, self._quarantine()
            )
        else:
            samples = self._samples(opened, "train")
            clips = TrainingClips(self._reader(opened), samples, self.seed, self.flip, self._quarantine())
        self._training = TrainingLoader(clips, self._micro_batch(), self._rank, self._world_size, self.reading)
        return self._training

    def val_dataloader(self) -> FixedLoader | list[FixedLoader]:
        """The clips to validate on; no loader if training does without, which :meth:`offers` tells of."""
        return self.fixed_loader("validate") if self.offers("validate") else []

    def test_dataloader(self) -> FixedLoader:
        """The clips to test on."""
        return self.fixed_loader("test")

    def predict_dataloader(self) -> FixedLoader:
        """The clips to animate anew: those of the test split."""
        return self.fixed_loader("test")

    def offers(self, stage: str) -> bool:
        """Whether training may have clips of a stage (``validate`` or ``test``); the first lack is warned of.

        Raises:
            ConfigurationError: If the shards named for evaluation have no manifest.
        """
        if self._has(stage):
            return True
        if not self._told_of_lack:
            self._told_of_lack = True
            logger.warning(
                "--data.shards names no clips to %s on: validation and callbacks that need such clips are left out of "
                "this training. Set --data.evaluation_shards to shards that have %s.",
                stage, "a validation or test split" if stage == "validate" else "a test split",
            )  # fmt: skip
        return False

    def fixed_clips(self, stage: str, clips_per_sample: int | None = None) -> FixedClips:
        """The list of clips of a stage (``validate`` or ``test``).

        Raises:
            ShardsError: If there is no such split.
            ConfigurationError: If the shards have no manifest.
        """
        evaluated = self._evaluated()
        samples = self._fixed_samples(evaluated, stage)
        count = clips_per_sample or self.clips_per_sample
        return FixedClips(self._reader(evaluated), samples, count, self._quarantine())

    def fixed_loader(self, stage: str) -> FixedLoader:
        """Those clips of a stage that this rank takes."""
        clips = replace(self.fixed_clips(stage), place_of_one=0.5 if self.evaluation_start == "middle" else 0.0)
        sampler = FixedSampler(len(clips), self._micro_batch(), self._rank, self._world_size)
        return FixedLoader(clips, sampler, self.reading)

    def on_before_batch_transfer(self, batch: ClipBatch, dataloader_idx: int) -> ClipBatch:
        """Tell the stream which batch is being trained on (see :class:`TrainingLoader`)."""
        if self._training is not None and self.trainer is not None and self.trainer.training:
            self._training.trained(batch)
        return batch

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _micro_batch(self) -> int:
        """Clips that one device takes at a time."""
        parts = self._world_size * (self.trainer.accumulate_grad_batches if self.trainer else 1)
        if self.batch_size % parts:
            raise ConfigurationError(
                f"--data.batch_size {self.batch_size} is the total of one optimizer step and does not divide by "
                f"{self._world_size} devices x {parts // self._world_size} accumulated batches. "
                f"Set it to a multiple of {parts}, or change --trainer.devices or --trainer.accumulate_grad_batches."
            )
        return self.batch_size // parts

    def _evaluated(self) -> Mixture:
        """Where the clips of validation and test are.

        Raises:
            ConfigurationError: If those shards have no manifest.
        """
        opened = open_shards(self.evaluation_shards if self.evaluation_shards is not None else self.shards)
        if isinstance(opened, BareShards):
            raise ConfigurationError(
                f"{opened.shards[0]} has no manifest, so nobody knows which clips it holds, and they cannot be "
                "evaluated once each. Set --data.evaluation_shards to a folder made by `shards build`, or leave out "
                "validation, test and sampling."
            )
        return opened

    def _reader(self, opened: Mixture) -> ClipReader:
        encoded = EncodedShards.of_mixture(opened)
        return ClipReader(self.format, None if encoded is None or self.encode_audio else encoded.audio_step)

    def _quarantine(self) -> Quarantine:
        return Quarantine() if self._quarantine_list is None else Quarantine.read(self._quarantine_list)

    def _has(self, stage: str) -> bool:
        """Whether there are clips of a stage; those that the recipe asks for by name are taken to be there."""
        named = self.evaluation_shards is not None
        if not named and isinstance(open_shards(self.shards), BareShards):
            return False
        evaluated = self._evaluated()
        asked = stage == "validate" and (named or self.validation_split is not None)
        return asked or self._fixed_split(evaluated, stage) in evaluated.splits

    def _fixed_samples(self, evaluated: Mixture, stage: str) -> list[SampleRecord]:
        split = self._fixed_split(evaluated, stage)
        if split not in evaluated.splits:
            raise ShardsError(
                f"{evaluated.name} has no split {split!r}, only {', '.join(evaluated.splits) or 'none'}. Set "
                "--data.evaluation_shards to shards that have it, or --data.validation_split to one that there is."
            )
        return self._samples(evaluated, split)

    def _fixed_split(self, evaluated: Mixture, stage: str) -> str:
        if stage in ("test", "predict"):
            return "test"
        return self.validation_split or ("validation" if "validation" in evaluated.splits else "test")

    def _samples(self, opened: Mixture, split: str) -> list[SampleRecord]:
        """The samples of a split that are long enough for the format; the check is made, and warned of, once."""
        place = opened.name, split
        if place not in self._fitting:
            self._fitting[place] = self._checked(opened.samples(split), split, opened.name)
        return self._fitting[place]

    def _checked(self, samples: list[SampleRecord], split: str, name: str) -> list[SampleRecord]:
        fastest = max(sample.fps for sample in samples)
        if self.format.fps > fastest + 1:
            raise ConfigurationError(
                f"The recipe asks for {self.format.fps:g} frames a second, but {name} holds at most "
                f"{fastest:.3g}. Set --data.format.fps to at most that."
            )
        fitting = [sample for sample in samples if sample.seconds >= self.format.seconds]
        if not fitting:
            longest = max(sample.seconds for sample in samples)
            raise ConfigurationError(
                f"{self.format.frames} frames at {self.format.fps:g} a second are {self.format.seconds:.2f} s, but the "
                f"longest clip of {name} ({split}) has {longest:.2f} s. Set --data.format.frames or "
                "--data.format.fps."
            )
        if len(fitting) < len(samples):
            short = len(samples) - len(fitting)
            logger.warning("%d of %d %s clips are shorter than %.2f s and left out", short, len(samples), split,
                           self.format.seconds)  # fmt: skip
        held = self._quarantine().count(fitting)
        if held == len(fitting):
            raise ConfigurationError(
                f"All {held} {split} clips of {name} are in quarantine. Shorten {self._quarantine_list}, or set "
                "another --data.quarantine."
            )
        if held:
            logger.warning("%d of %d %s clips are in quarantine and not opened", held, len(fitting), split)
        return fitting
