"""AnimationTask: trains a denoiser to animate pictures with sounds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torchmetrics import MeanMetric

from asva_lightning.data.batch import ClipBatch
from asva_lightning.data.randomness import Purpose, numpy_generator, torch_generator
from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import AnimationPipeline, Objective, Pair, Sampling, generate
from asva_lightning.diffusion.generate import clip_name, write_animation
from asva_lightning.encoders import Conditioner, drop
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.accumulation import count_batches_anew
from asva_lightning.training.compute import Compute
from asva_lightning.training.ema import ExponentialMovingAverage
from asva_lightning.training.encode_fingerprint import check_encoded
from asva_lightning.training.frozen_weights import compare_frozen, digests_of_frozen
from asva_lightning.training.init_from import begin_with
from asva_lightning.training.schedules import stepped


class AnimationTask(pl.LightningModule):
    """Conducts training; what is trained, on what, and how far off it is are parts that it is given.

    All randomness of a clip (noise level, noise, dropped conditions, the codec's sample) is derived from the seed and
    the clip's position in the stream.

    Args:
        denoiser: The network.
        conditioner: Media to latents and conditions.
        format: What a clip is.
        objective: What the network predicts.
        sampling: How samples are drawn for validation, test and prediction.
        optimizer: Makes the optimizer from the trained parameters; AdamW as the method if not given.
        learning_rate_schedule: Makes a schedule that is stepped at every optimizer step; constant if not given.
        average: The average of the weights that validation, samples, test and export use; none if not given.
        audio_drop: Share of clips that are trained without their sound.
        text_drop: Share of clips that are trained without their text.
        seed: Seed of all randomness of training and sampling.
        compute: How the denoiser is computed, for less time or memory; the plain way if not given.
        init_from: Another run, or a checkpoint of it, whose trained weights this training starts from.
    """

    def __init__(
        self,
        denoiser: AVSyncUNet,
        conditioner: Conditioner,
        format: ClipFormat,
        objective: Objective | None = None,
        sampling: Sampling | None = None,
        optimizer: OptimizerCallable | None = None,
        learning_rate_schedule: LRSchedulerCallable | None = None,
        average: ExponentialMovingAverage | None = None,
        audio_drop: float = 0.2,
        text_drop: float = 0.0,
        seed: int = 0,
        compute: Compute | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__()
        check_drops(audio_drop, text_drop)
        self.denoiser = denoiser
        self.conditioner = conditioner
        self.format = format
        self.objective = objective or Objective()
        self.sampling = sampling or Sampling()
        self.make_optimizer = optimizer or (lambda parameters: torch.optim.AdamW(parameters, lr=1e-4))
        self.make_schedule = learning_rate_schedule
        self.average = average
        self.audio_drop = audio_drop
        self.text_drop = text_drop
        self.seed = seed
        self.compute = compute or Compute()
        self.init_from = init_from
        self.validation_loss = MeanMetric(nan_strategy="disable")  # NaN of one clip is not to vanish from the mean
        self.strict_loading = False  # checkpoints hold trained parameters only
        self._restored_average: dict[str, Any] | None = None
        self._frozen: dict[str, str] = {}
        self._loaded_step = 0
        self._lent = ExitStack()
        self.hears = _check(denoiser, conditioner, format)
        self.sampling.make_scheduler(self.objective)  # what they cannot do together is told now, not after hours
        # What the network does not look at is not trained: its parameters would have no gradients, which DDP refuses.
        for part, looked_at in ((conditioner.audio, denoiser.anatomy.audio), (conditioner.text, denoiser.anatomy.text)):
            if not looked_at:
                part.requires_grad_(False)
        self._unheard: frozenset[str] = frozenset()
        if denoiser.anatomy.audio and not self.hears:
            self._unheard = self._freeze_hearing()

    def _freeze_hearing(self) -> frozenset[str]:
        """Freeze what frame windows without sound leave out; returns the names of what would be trained otherwise."""
        ours = {
            name: parameter
            for name, parameter in self.named_parameters()
            if name.startswith("conditioner.audio.") or (name.startswith("denoiser.") and "_audio" in name)
        }
        names = frozenset(name for name, parameter in ours.items() if parameter.requires_grad)
        for parameter in ours.values():
            parameter.requires_grad_(False)
        return names

    @property
    def pipeline(self) -> AnimationPipeline:
        """What samples, with the weights as they are at this moment."""
        return AnimationPipeline.of(self.denoiser, self.conditioner, self.objective, self.sampling, self.format)

    @property
    def steps_done(self) -> int:
        """Optimizer steps behind the weights: those of this training, or of the checkpoint that is evaluated."""
        return self.trainer.global_step if self.trainer.state.fn == "fit" else self._loaded_step

    def setup(self, stage: str) -> None:
        """Take the digests of what is not trained, while this process still has all of it; prepare the denoiser."""
        self._frozen = digests_of_frozen(self.denoiser, self.conditioner, self.hears)
        check_encoded(getattr(self.trainer, "datamodule", None), self.conditioner, self._frozen, self.hears)
        self.compute.apply(self.denoiser, self.trainer.strategy)
        if stage == "fit" and self.init_from is not None and not self._begun():
            begin_with(self, self.init_from, self._frozen)

    def _begun(self) -> bool:
        """Whether this run has a checkpoint of its own, which says more than that of another run."""
        return RunFolder(Path(self.trainer.default_root_dir)).latest_checkpoint() is not None

    def configure_optimizers(self) -> Any:
        """One optimizer over the trained parameters."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return stepped(self.make_optimizer(trained), self.make_schedule)

    def training_step(self, batch: ClipBatch, batch_idx: int) -> Tensor:
        """The objective's mean loss over the clips of the batch."""
        positions = batch.positions.tolist()
        generators = [torch_generator(self.seed, Purpose.TRAINING, position, self.device) for position in positions]
        # (b, 3) on the CPU. Under bf16-true the type would have 8 bits, which is too few for 1000 levels.
        draws = torch.tensor([self._draws(position) for position in positions], dtype=torch.float32)
        last = self.objective.steps - 1  # a draw just below 1 is rounded to 1
        timestep = (draws[:, 0] * self.objective.steps).long().clamp(max=last).to(self.device)
        latents, conditions = self.conditioner(batch, generators, hear=self.hears)
        null = self.conditioner.null(batch.waveform.shape[-1], latents.shape[2], self.device, hear=self.hears)
        conditions = drop(
            conditions,
            null,
            audio=(draws[:, 1] < self.audio_drop).to(self.device),
            text=(draws[:, 2] < self.text_drop).to(self.device),
        )
        loss = self._loss(latents, generators, timestep, conditions).mean()
        self.log("train/loss", loss, sync_dist=True, batch_size=len(batch), prog_bar=True)
        return loss

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """The loss of fixed clips at fixed noise, their levels spread evenly over the schedule."""
        self._evaluate(batch, "validation/loss")

    def test_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """As in validation, on the test clips."""
        self._evaluate(batch, "test/loss")

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Animate the first frame of each clip with its sound, into ``predictions/step_000500/`` of the run folder."""
        pairs = [
            Pair(clip_name(key, start), pixels[:, 0], waveform, text, number)
            for key, start, pixels, waveform, text, number in zip(
                batch.keys, batch.starts.tolist(), batch.pixels, batch.waveform, batch.texts, batch.positions.tolist()
            )
        ]
        animations = generate(self.pipeline, pairs, seed=self.seed)
        folder = RunFolder(Path(self.trainer.default_root_dir)).predictions(self.steps_done)
        for animation, real in zip(animations, batch.real.tolist()):
            if real:
                write_animation(self.pipeline, animation, folder, {"seed": self.seed, "step": self.steps_done})

    def _evaluate(self, batch: ClipBatch, name: str) -> None:
        positions = batch.positions.tolist()
        generators = [torch_generator(self.seed, Purpose.SAMPLING, position, self.device) for position in positions]
        # Multiples of the golden ratio fill the unit interval evenly, however many clips there are.
        levels = [int((0.5 + 0.6180339887 * position) % 1 * self.objective.steps) for position in positions]
        latents, conditions = self.conditioner(batch, hear=self.hears)
        loss = self._loss(latents, generators, torch.tensor(levels, device=self.device), conditions)
        self.validation_loss.update(loss[batch.real.to(loss.device)])
        self.log(name, self.validation_loss, on_step=False, on_epoch=True, batch_size=len(batch))
        # Lightning would count this under the step before; the value belongs to the steps that are done.
        self.log("step", float(self.steps_done), on_step=False, on_epoch=True, batch_size=len(batch))

    def _loss(self, latents: Tensor, generators: list[torch.Generator], timestep: Tensor, conditions: Any) -> Tensor:
        # Under bf16-true and 16-true the type of what is drawn would be half as wide, if it were not named.
        kind, shape = torch.float32, latents.shape[1:]
        noise = torch.stack([torch.randn(shape, generator=one, device=self.device, dtype=kind) for one in generators])
        noisy = self.objective.add_noise(latents, noise, timestep)
        # The denoiser's own type: DeepSpeed casts the networks and leaves this module's word for it as it was.
        noisy = noisy.to(self.denoiser.dtype)
        prediction = self.denoiser(noisy, self.objective.network_timestep(timestep), conditions)
        return self.objective.loss(prediction, latents, noise, timestep)

    def _draws(self, position: int) -> list[float]:
        return numpy_generator(self.seed, Purpose.TRAINING, position).random(3).tolist()

    # The average -----------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Begin the average, now that the strategy has laid out the weights."""
        if self.average is not None:
            self.average.begin(self)
            self._take_restored()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and take the step into the average (not after every accumulated batch).

        This happens here, not in a later hook, so that a checkpoint written by any callback holds both.
        """
        super().optimizer_step(*args, **kwargs)
        if self.average is not None and not self.trainer.fit_loop._should_accumulate():
            self.average.update()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the networks have the averaged weights; afterwards the live ones again, untouched.

        Inside another such block (a callback that samples in the test, say) it changes nothing.
        """
        if self.average is None or self.average.lent or not self._ready_average():
            yield
            return
        with self.average.applied(self.trainer.strategy.model):
            yield

    def _ready_average(self) -> bool:
        assert self.average is not None
        if not self.average.begun and self._restored_average is not None:
            self.average.begin(self)
            self._take_restored()
        return self.average.begun

    def on_validation_epoch_start(self) -> None:
        """Validate with the average, and count in float32 whatever the type that the networks were cast to."""
        self.validation_loss.set_dtype(torch.float32)
        self._lent.enter_context(self.averaged())

    def on_validation_epoch_end(self) -> None:
        """Give the live weights back before anything is saved."""
        self._lent.close()

    on_test_epoch_start = on_validation_epoch_start
    on_test_epoch_end = on_validation_epoch_end
    on_predict_epoch_start = on_validation_epoch_start
    on_predict_epoch_end = on_validation_epoch_end

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained parameters and buffers only, and add the average. All ranks call this together."""
        if self.average is not None and self.average.begun:
            checkpoint["average"] = self.average.state()
        checkpoint["frozen"] = self._frozen
        # What is frozen as there is no sound stays: a later stage with sound may begin with it.
        frozen = {name for name, parameter in self.named_parameters() if not parameter.requires_grad} - self._unheard
        if "state_dict" in checkpoint:
            checkpoint["state_dict"] = {
                name: tensor for name, tensor in checkpoint["state_dict"].items() if name not in frozen
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the average over, at once or when the strategy has laid out the weights."""
        compare_frozen(checkpoint.get("frozen", {}), self._frozen, "The checkpoint")
        self._loaded_step = checkpoint.get("global_step", 0)
        count_batches_anew(checkpoint, self.trainer.accumulate_grad_batches)
        self._restored_average = checkpoint.get("average")
        if self.average is not None and self.average.begun:
            self._take_restored()

    def _take_restored(self) -> None:
        if self.average is not None and self._restored_average is not None:
            self.average.restore(self._restored_average)
            self._restored_average = None


def check_drops(audio_drop: float, text_drop: float) -> None:
    """Refuse shares of clips that are trained without their sound or text which are none.

    Raises:
        ConfigurationError: If one is not in [0, 1).
    """
    for name, share in (("audio_drop", audio_drop), ("text_drop", text_drop)):
        if not 0 <= share < 1:
            raise ConfigurationError(f"--model.{name} must be at least 0 and less than 1, not {share}.")


def _check(denoiser: AVSyncUNet, conditioner: Conditioner, format: ClipFormat) -> bool:
    """Refuse parts that do not fit each other, and say which settings to change.

    Returns:
        Whether the network hears: it has audio layers, and its frames see audio tokens.

    Raises:
        ConfigurationError: If channels differ, the picture does not divide by the codec's factor, or a frame sees no
            audio token.
    """
    mask = conditioner.mask(format.frames, format.samples)
    conditioner.codec.latent_size(format.height, format.width)
    config: Any = denoiser.config
    for name, wanted, given, part in (
        ("in_channels", config.in_channels, conditioner.codec.channels, "codec"),
        ("out_channels", config.out_channels, conditioner.codec.channels, "codec"),
        ("text_channels", config.text_channels, conditioner.text.channels, "text encoder"),
        ("audio_channels", config.audio_channels, conditioner.audio.channels, "audio encoder"),
    ):
        if wanted != given:
            raise ConfigurationError(
                f"The denoiser has {name} {wanted}, but the {part} gives {given}. Make them equal."
            )
    return mask is not None and denoiser.anatomy.audio
