"""SyncTask: trains the sync classifier to find the sound that belongs to a video among sounds of other moments."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor
from torch.nn.functional import cross_entropy

from asva_lightning.data.batch import ClipBatch
from asva_lightning.data.randomness import Purpose, numpy_generator
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.sync_accuracy import CLIPS, SHIFT, WITHIN, SyncAccuracy, SyncAccuracyValues, sync_of_videos
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_training, load_avid_cma
from asva_lightning.metrics.sync_classifier.picture import SIZE
from asva_lightning.metrics.sync_windows import ShiftedWindows
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.accumulation import count_batches_anew
from asva_lightning.training.ranks import gather
from asva_lightning.training.schedules import stepped
from asva_lightning.training.sync_results import JudgedVideo, SyncResults, protocol_of, sync_results

logger = logging.getLogger(__name__)


class SyncTask(pl.LightningModule):
    """Contrastive training of a :class:`SyncClassifier` (Zhang et al., ECCV 2024).

    From each long clip that the data gives, shifted windows are cut, each mirrored on its own; every sound of a clip
    is scored with every video of it, and the loss is the mean of the cross-entropies of its rows and columns. So only
    time tells a right pair from a wrong one. Validation and test follow the protocol of
    :class:`~asva_lightning.metrics.sync_accuracy.SyncAccuracy`.

    The place of the long clip in its source is drawn by the data module, the flips here; both are derived from the
    seed and the clip's position in the stream. Set ``--data.flip 0``, as mirroring all windows of a clip alike adds
    nothing. Set ``--data.evaluation_start middle``, so that the windows of validation and test lie in the middle of the
    source. Batch normalisation sees the windows of one device, so the number of devices has an effect unless
    ``--trainer.sync_batchnorm true``, which PyTorch offers on GPUs only and refuses elsewhere.

    Args:
        classifier: The network.
        format: What the data gives: clips that hold all windows, at a rate whose frames lie near those of the windows.
        windows: The windows of a training clip.
        protocol: The windows of a clip that is validated or tested; an odd number.
        within: Places from the right one that still count as right in the protocol.
        temperature: By which scores are divided before the cross-entropy.
        flip: Share of training windows that are mirrored.
        picture: Height and width of the classifier's frames; those of the data if they are square and the same.
        avid_cma: AVID-CMA's checkpoint to begin the training from; random weights if not given.
        optimizer: Makes the optimizer; AdamW as in the release if not given.
        learning_rate_schedule: Makes a schedule that is stepped at every optimizer step; constant if not given.
        seed: Seed of the flips.
    """

    needs: ClassVar[Mapping[str, str]] = {"avid_cma": "avid_cma"}

    def __init__(
        self,
        classifier: SyncClassifier,
        format: ClipFormat,
        windows: ShiftedWindows | None = None,
        protocol: ShiftedWindows | None = None,
        within: int = WITHIN,
        temperature: float = 0.1,
        flip: float = 0.5,
        picture: int = SIZE,
        avid_cma: str | None = None,
        optimizer: OptimizerCallable | None = None,
        learning_rate_schedule: LRSchedulerCallable | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if temperature <= 0 or not 0 <= flip <= 1:
            raise ConfigurationError(
                f"--model.temperature must be above 0 and --model.flip in 0..1, not {temperature} and {flip}."
            )
        if format.sample_rate != ClipFormat.sample_rate:
            raise ConfigurationError(
                f"The sync classifier hears sound of {ClipFormat.sample_rate} samples a second, not "
                f"{format.sample_rate}. Set --data.format.sample_rate."
            )
        self.classifier = classifier
        self.format = format
        self.windows = windows or ShiftedWindows()
        self.protocol = protocol or ShiftedWindows(CLIPS, SHIFT)
        self.temperature = temperature
        self.flip = flip
        self.picture = picture
        self.avid_cma = avid_cma
        self.make_optimizer = optimizer or (lambda parameters: torch.optim.AdamW(parameters, 2e-4, weight_decay=1e-2))
        self.make_schedule = learning_rate_schedule
        self.seed = seed
        self.accuracy = SyncAccuracy(self.protocol.count, self.protocol.shift, within)
        self._judged: dict[int, JudgedVideo] = {}
        self._loaded_step = 0
        for needed in (self.windows, self.protocol):
            needed.require(format)

    @property
    def steps_done(self) -> int:
        """Optimizer steps behind the weights: those of this training, or of the checkpoint that is evaluated."""
        return self.trainer.global_step if self.trainer.state.fn == "fit" else self._loaded_step

    def setup(self, stage: str) -> None:
        """Begin from AVID-CMA, where it is given; a checkpoint that is resumed from then takes its place."""
        if stage == "fit" and self.avid_cma is not None:
            logger.info("%s: %s", self.avid_cma, load_avid_cma(self.classifier, self.avid_cma))

    def on_fit_start(self) -> None:
        """Refuse what would end in the first step.

        Raises:
            ConfigurationError: If DeepSpeed would cast the network: batch normalisation counts in float32.
        """
        precision = self.trainer.precision
        if isinstance(self.trainer.strategy, DeepSpeedStrategy) and precision not in ("32-true", "64-true"):
            raise ConfigurationError(
                f"The sync classifier cannot be trained with --trainer.precision {precision} under DeepSpeed, which "
                "casts the weights of batch normalisation and not its statistics. Take --trainer.strategy ddp: the "
                "network is small."
            )

    def configure_optimizers(self) -> Any:
        """One optimizer over all parameters."""
        return stepped(self.make_optimizer(list(self.parameters())), self.make_schedule)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """The mean of the losses of the clips of the batch."""
        scores = self._scores(batch, self.windows, self._flips(batch))
        loss = sync_loss(scores, self.temperature)
        self.log("train/loss", loss, sync_dist=True, batch_size=len(batch), prog_bar=True)
        return loss

    def _flips(self, batch: ClipBatch) -> Tensor:
        """Which windows are mirrored, ``(b, count)``."""
        draws = [
            numpy_generator(self.seed, Purpose.TRAINING, position).random(self.windows.count)
            for position in batch.positions.tolist()
        ]
        return torch.tensor([(draw < self.flip).tolist() for draw in draws])

    def _scores(self, batch: ClipBatch, windows: ShiftedWindows, flips: Tensor | None = None) -> Tensor:
        """Score every sound with every video of the same clip, ``(b, count, count)``."""
        video = windows.cut_video(for_training(batch.pixels, self.picture), self.format)
        if flips is not None:
            video = torch.where(flips.to(video.device).view(*flips.shape, 1, 1, 1, 1), video.flip(-1), video)
        with torch.autocast(self.device.type, enabled=False):
            sound = windows.cut_sound(batch.waveform, self.format)
            mel = log_mel(sound, columns=windows.columns)
        kind = next(self.classifier.parameters()).dtype  # DeepSpeed casts the network, not this module's word for it
        audio_embedding = self.classifier.embed_audio(mel.flatten(0, 1).to(kind))
        video_embedding = self.classifier.embed_video(video.flatten(0, 1).to(kind))
        shape = (len(batch), windows.count)
        return self.classifier.score_all(audio_embedding.unflatten(0, shape), video_embedding.unflatten(0, shape))

    # Validation and test ---------------------------------------------------------------------------------------------

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Judge the clips by the protocol."""
        self.accuracy.update(self._scores(batch, self.protocol)[batch.real.to(self.device)])

    def on_validation_epoch_end(self) -> None:
        """Log the accuracy in both directions and the mean offset, and chance beside each."""
        self._log_accuracy("validation")

    def test_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """As in validation, on the test clips; each is also kept by name."""
        scores = self._scores(batch, self.protocol)
        self.accuracy.update(scores[batch.real.to(self.device)])
        values = torch.stack(sync_of_videos(scores, self.protocol.shift, self.accuracy.within), dim=1).tolist()
        for number, (position, real) in enumerate(zip(batch.positions.tolist(), batch.real.tolist())):
            if real:
                key = f"{batch.keys[number]} at {batch.starts[number]:g} s"
                text = batch.texts[number] or batch.categories[number]
                self._judged[position] = JudgedVideo(key, text, batch.keys[number], *values[number])

    def on_test_epoch_end(self) -> None:
        """Log the values over all clips, and write ``sync_accuracy.json`` of the run folder.

        It has the values of each clip, the accuracy over the tolerance, and chance beside both.
        """
        values = self._log_accuracy("test")
        judged = gather(self.trainer, self._judged)
        self._judged = {}
        if self.trainer.is_global_zero:
            results = self._results(judged, values)
            path = RunFolder(Path(self.trainer.default_root_dir)).path / "sync_accuracy.json"
            results.write(path)
            logger.info("%s\n\nwritten to %s", results.table(), path)

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Refused, as there is nothing to predict.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            "A sync classifier makes no clips. Judge it by `test`, or clips with it: name its run as a judge of "
            "`evaluate` (docs/sync_classifier.md)."
        )

    def _log_accuracy(self, stage: str) -> SyncAccuracyValues:
        values = self.accuracy.compute()
        self.accuracy.reset()
        for name in ("audio_to_video", "video_to_audio", "chance", "offset", "chance_offset"):
            self.log(f"{stage}/sync_{name}", getattr(values, name).float())
        # Lightning would count this under the step before; the values belong to the steps that are done.
        self.log("step", float(self.steps_done))
        return values

    def _results(self, judged: list[JudgedVideo], values: SyncAccuracyValues) -> SyncResults:
        facts: dict[str, str | float] = {
            "step": self.steps_done,
            "shifted clips": self.protocol.count,
            "seconds apart": self.protocol.shift,
            "right within places": self.accuracy.within,
            "seed": self.seed,
            "frames": self.format.frames,
            "fps": self.format.fps,
            "size": f"{self.format.height}x{self.format.width}",
        }
        data = getattr(self.trainer, "datamodule", None)
        protocol = protocol_of(self.protocol, self.accuracy.within, self.format, self.picture, data)
        return sync_results(judged, values, facts, protocol)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Let a run continue with another number of accumulated batches."""
        self._loaded_step = checkpoint.get("global_step", 0)
        count_batches_anew(checkpoint, self.trainer.accumulate_grad_batches)


def sync_loss(scores: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding the video of a sound and the sound of a video.

    ``1/2 (CE of the rows + CE of the columns)`` of ``scores / temperature``, where the diagonal is right.

    Args:
        scores: ``(b, n, n)`` of each sound (row) with each video (column) of a clip.
        temperature: By which scores are divided.

    Returns:
        The mean over clips, a scalar in float32.
    """
    logits = scores.float() / temperature
    right = torch.arange(scores.shape[-1], device=scores.device).repeat(len(scores))
    return (cross_entropy(logits.flatten(0, 1), right) + cross_entropy(logits.mT.flatten(0, 1), right)) / 2
