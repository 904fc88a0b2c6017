"""AnimationPipeline: pictures and sounds in, videos out."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils.outputs import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from diffusers.video_processor import VideoProcessor
from torch import Tensor, nn

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion.denoise import OnStep, Watch, denoise
from asva_lightning.diffusion.finite import finite_clips, not_finite
from asva_lightning.diffusion.guidance import Guidance, Pass, warn_where_idle
from asva_lightning.diffusion.inputs import Picture, Sound, equally_many, pictures_of, waveforms_of
from asva_lightning.diffusion.objective import Objective
from asva_lightning.diffusion.pipeline_folder import LoadedByTable
from asva_lightning.diffusion.sampling import Sampling, scheduler_class
from asva_lightning.encoders import Conditioner, SegmentWindows, to_floats, to_pixels
from asva_lightning.encoders.components import components_of, conditioner_of
from asva_lightning.encoders.windows import FrameWindows, windows_from_config, windows_to_config
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat

logger = logging.getLogger(__name__)

Generators = torch.Generator | list[torch.Generator] | None
"""One for all clips of a batch, or one a clip: the same generator, the same video."""

StepCallback = Callable[..., dict[str, Any] | None]
"""Diffusers' ``callback(pipeline, step, timestep, tensors)``; returns the tensors to go on with."""


@dataclass
class AnimationOutput(BaseOutput):
    """What the pipeline returns.

    Args:
        frames: As asked by ``output_type``: lists of PIL images, ``(b, f, h, w, 3)`` floats in [0, 1] for ``np``,
            ``(b, f, 3, h, w)`` for ``pt``, latents ``(b, c, f, h, w)`` for ``latent``.
    """

    frames: Any


class AnimationPipeline(LoadedByTable, DiffusionPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Everything that turns pictures and sounds into videos, as a pipeline of diffusers.

    Args:
        unet: The denoiser.
        vae: ``AutoencoderKL``, or a codec of this package.
        audio_encoder: :class:`~asva_lightning.encoders.ImageBind`, or an audio encoder of this package.
        text_encoder: ``CLIPTextModel``, or a text encoder of this package.
        scheduler: Any scheduler of diffusers that fits what the network was trained to predict.
        tokenizer: ``CLIPTokenizer``; ``None`` for text encoders that need none.
        clip: The :class:`~asva_lightning.media.ClipFormat` as a dictionary; the method's full size if not given.
        windows: The frame windows as a dictionary, the method's segments if not given.
        steps: Number of steps where a call does not say.
        guidance: The :class:`Guidance` as a dictionary, where a call does not say; the method's if not given.
    """

    scheduler: Any
    model_cpu_offload_seq = "text_encoder->audio_encoder->unet->vae"  # type: ignore[assignment]
    _optional_components = ["tokenizer"]

    def __init__(
        self,
        unet: AVSyncUNet,
        vae: nn.Module,
        audio_encoder: nn.Module,
        text_encoder: nn.Module,
        scheduler: Any,
        tokenizer: Any = None,
        clip: dict[str, Any] | None = None,
        windows: dict[str, Any] | None = None,
        steps: int = 50,
        guidance: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            unet=unet,
            vae=vae,
            audio_encoder=audio_encoder,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            scheduler=scheduler,
        )
        self.register_to_config(
            clip=asdict(ClipFormat(**(clip or {}))),
            windows=windows or windows_to_config(SegmentWindows()),
            steps=steps,
            guidance=asdict(Guidance(**(guidance or {}))),
        )
        self._one_by_one = False
        self._conditioner: Conditioner | None = None

    @classmethod
    def of(
        cls,
        denoiser: AVSyncUNet,
        conditioner: Conditioner,
        objective: Objective,
        sampling: Sampling,
        format: ClipFormat,
    ) -> "AnimationPipeline":
        """The pipeline of parts that a recipe names."""
        pipeline = cls(
            denoiser,
            **components_of(conditioner),
            scheduler=sampling.make_scheduler(objective),
            clip=asdict(format),
            windows=windows_to_config(conditioner.windows),
            steps=sampling.steps,
            guidance=asdict(sampling.guidance),
        )
        pipeline._conditioner = conditioner
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    @property
    def format(self) -> ClipFormat:
        """What a clip is."""
        return ClipFormat(**self.config["clip"])

    @property
    def guidance(self) -> Guidance:
        """How strongly text and sound are followed where a call does not say."""
        return Guidance(**self.config["guidance"])

    @property
    def steps(self) -> int:
        """Number of steps where a call does not say."""
        return int(self.config["steps"])

    @property
    def conditioner(self) -> Conditioner:
        """Media to numbers, by the components as they are now."""
        current = {name: getattr(self, name) for name in ("vae", "audio_encoder", "text_encoder", "tokenizer")}
        if self._conditioner is None or components_of(self._conditioner) != current:
            windows: FrameWindows = windows_from_config(self.config["windows"])
            self._conditioner = conditioner_of(**current, windows=windows)
        return self._conditioner

    def use_scheduler(self, name: str) -> None:
        """Take another scheduler class of diffusers, with the noise schedule and target of the present one.

        Raises:
            ConfigurationError: If diffusers has no such scheduler.
        """
        self.scheduler = scheduler_class(name).from_config(self.scheduler.config)

    def enable_vae_slicing(self) -> None:
        """Let the autoencoder treat one frame at a time, to save memory."""
        self._ask_vae("enable_slicing")

    def disable_vae_slicing(self) -> None:
        """Undo :meth:`enable_vae_slicing`."""
        self._ask_vae("disable_slicing")

    def enable_vae_tiling(self) -> None:
        """Let the autoencoder treat large frames tile by tile, to save memory."""
        self._ask_vae("enable_tiling")

    def disable_vae_tiling(self) -> None:
        """Undo :meth:`enable_vae_tiling`."""
        self._ask_vae("disable_tiling")

    def _ask_vae(self, wanted: str) -> None:
        if hasattr(self.vae, wanted):
            getattr(self.vae, wanted)()
        else:
            logger.warning("%s has no %s, and goes on as it is.", type(self.vae).__name__, wanted)

    def enable_guidance_slicing(self) -> None:
        """Evaluate the passes of guidance one after the other, to save memory; the result is the same."""
        self._one_by_one = True

    def disable_guidance_slicing(self) -> None:
        """Undo :meth:`enable_guidance_slicing`."""
        self._one_by_one = False

    @torch.no_grad()
    def __call__(
        self,
        image: Picture | Sequence[Picture],
        audio: Sound | Sequence[Sound],
        text: str | Sequence[str] = "",
        *,
        audio_sampling_rate: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        audio_guidance_scale: float | None = None,
        text_guidance_scale: float | None = None,
        sync_guidance_scale: float | None = None,
        generator: Generators = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: StepCallback | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> AnimationOutput | tuple[Any]:
        """Animate pictures with sounds. Lists are animated as one batch; one of a kind serves all of the others.

        Args:
            image: The first frame, cropped to the clip's shape.
            audio: The sound; what is longer than a clip is cut, what is shorter is followed by silence.
            text: Class text; empty for none.
            audio_sampling_rate: Samples a second of sounds given as samples; that of the clip format if not given.
            height: Height of the video; that of the clip format if not given.
            width: Width of the video; that of the clip format if not given.
            num_inference_steps: Number of steps.
            audio_guidance_scale: See :class:`Guidance`.
            text_guidance_scale: See :class:`Guidance`.
            sync_guidance_scale: See :class:`Guidance`.
            generator: Source of the noise; one, or one a clip.
            latents: The noise itself, ``(b, c, f - 1, h, w)``, in place of the generator's.
            output_type: ``pil``, ``np``, ``pt`` or ``latent``.
            return_dict: Whether to return :class:`AnimationOutput` instead of a tuple.
            callback_on_step_end: Called as ``callback(pipeline, step, timestep, {"latents": ...})`` after each step;
                latents in what it returns replace those of the walk.
            callback_on_step_end_tensor_inputs: What the callback gets; there are only ``latents``.

        Returns:
            The videos; frame 0 is the picture as the autoencoder gives it back.

        Raises:
            ConfigurationError: If inputs do not match each other or the networks.
            MediaError: If a file cannot be read.
            WeightsError: If the networks give NaN or infinity.
        """
        if output_type not in ("pil", "np", "pt", "latent"):
            raise ConfigurationError(f"output_type must be 'pil', 'np', 'pt' or 'latent', not {output_type!r}.")
        if set(callback_on_step_end_tensor_inputs) - {"latents"}:
            raise ConfigurationError("callback_on_step_end_tensor_inputs can only name 'latents'.")
        clip = self.format
        images, sounds, texts = equally_many(image, audio, text)
        scales = {"audio": audio_guidance_scale, "text": text_guidance_scale, "sync": sync_guidance_scale}
        guidance = replace(self.guidance, **{name: scale for name, scale in scales.items() if scale is not None})
        steps = self.steps if num_inference_steps is None else num_inference_steps
        with self.progress_bar(total=steps) as progress:
            made = self.sample(
                self.encode(pictures_of(images, height or clip.height, width or clip.width)),
                waveforms_of(sounds, audio_sampling_rate, clip.sample_rate, clip.samples),
                texts,
                generator,
                noise=latents,
                steps=steps,
                guidance=guidance,
                on_step=self._on_step(progress, callback_on_step_end, callback_on_step_end_tensor_inputs),
            )
        frames = self._frames(made, output_type)
        return AnimationOutput(frames=frames) if return_dict else (frames,)

    def _on_step(self, progress: Any, callback: StepCallback | None, tensor_inputs: Sequence[str]) -> OnStep:
        """What moves the progress bar and calls the user's callback."""

        def on_step(number: int, timestep: Tensor, current: Tensor) -> Tensor | None:
            progress.total = len(self.scheduler.timesteps)  # some schedulers evaluate more often than they step
            progress.update()
            if callback is None:
                return None
            given = {name: current for name in tensor_inputs}
            return (callback(self, number, timestep, given) or {}).get("latents")

        return on_step

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Latents ``(b, c, 1, h, w)`` of first frames ``(b, 3, h, w)``, uint8.

        Raises:
            ConfigurationError: If the pictures do not divide by the codec's factor.
        """
        codec = self.conditioner.codec
        codec.latent_size(*pictures.shape[-2:])
        return codec.encode(to_floats(pictures[:, :, None].to(self._execution_device)))

    @torch.no_grad()
    def sample(
        self,
        begin: Tensor,
        waveforms: Tensor,
        texts: Sequence[str],
        generator: Generators = None,
        *,
        noise: Tensor | None = None,
        steps: int | None = None,
        guidance: Guidance | None = None,
        on_step: OnStep | None = None,
        watch: Watch | None = None,
        watched: Sequence[Pass] = (),
    ) -> Tensor:
        """Latents of videos.

        Args:
            begin: How the videos begin: latents ``(b, c, k, h, w)`` of the first ``k`` frames, at least of one.
            waveforms: Sounds of the clip's length, ``(b, samples)``.
            texts: Class texts; empty for none.
            generator: Source of the noise; one, or one a clip.
            noise: The noise itself, ``(b, c, f - 1, h, w)``, in place of the generator's.
            steps: Number of steps; the pipeline's if not given.
            guidance: How strongly to follow text and sound; the pipeline's if not given.
            on_step: See :func:`denoise`.
            watch: See :func:`denoise`.
            watched: See :func:`denoise`.

        Returns:
            Latents ``(b, c, f, h, w)``.

        Raises:
            ConfigurationError: If the noise has the wrong shape, or there is no step.
        """
        conditioner, frames, device = self.conditioner, self.format.frames, self._execution_device
        begin, waveforms = begin.to(device), waveforms.to(device)
        if steps is not None and steps < 1:
            raise ConfigurationError(f"Sampling needs at least one step, not {steps}.")
        noise = _noise(begin, frames, noise, generator)
        guidance, anatomy = guidance or self.guidance, self.unet.anatomy
        conditions = conditioner.conditions(waveforms, texts, frames, hear=anatomy.audio)
        null = conditioner.null(waveforms.shape[-1], frames, device, hear=anatomy.audio)
        warn_where_idle(guidance, anatomy, hears=conditions.audio is not None)
        return denoise(
            self.unet,
            begin[:, :, 0],
            noise,
            conditions,
            null,
            self.scheduler,
            steps or self.steps,
            guidance,
            known=begin[:, :, 1:] if begin.shape[2] > 1 else None,
            generator=generator,
            one_by_one=self._one_by_one,
            on_step=on_step,
            watch=watch,
            watched=watched,
        )

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Videos ``(b, 3, f, h, w)``, uint8, of latents ``(b, c, f, h, w)``."""
        return to_pixels(self.conditioner.codec.decode(latents))

    def _frames(self, latents: Tensor, output_type: str) -> Any:
        """Videos as asked. The networks may leave the device then, also where what they made is refused."""
        made = latents if output_type == "latent" else self.conditioner.codec.decode(latents)
        self.maybe_free_model_hooks()
        finite = finite_clips(latents, made)  # before the clamp, which makes a number of infinity
        if not all(finite):
            raise not_finite(f"Video {finite.index(False) + 1} of {len(finite)}:")
        if output_type == "latent":
            return made
        return VideoProcessor().postprocess_video(made.float().clamp(-1, 1), output_type)


def _noise(begin: Tensor, frames: int, given: Tensor | None, generator: Generators) -> Tensor:
    """Where the frames after the first start, ``(b, c, f - 1, h, w)``: the noise that was given, or drawn."""
    shape = (len(begin), begin.shape[1], frames - 1, *begin.shape[3:])
    if given is None:
        return randn_tensor(shape, generator=generator, device=begin.device, dtype=torch.float32)
    if given.shape != shape:
        raise ConfigurationError(f"latents must be {shape}, not {tuple(given.shape)}.")
    return given.to(begin.device)
