"""AVSyncUNet: noisy latents, noise level, text and sound in; prediction of the noise out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.nn.functional import silu

from asva_lightning.denoiser.anatomy import Anatomy, anatomy_of
from asva_lightning.denoiser.blocks import DownLevel, MiddleLevel, UpLevel
from asva_lightning.denoiser.conditioning import PreparedConditions, TokensOfFrames
from asva_lightning.denoiser.layer_factory import LayerFactory
from asva_lightning.denoiser.loading import load_by_name
from asva_lightning.denoiser.original import config_from_original, is_added
from asva_lightning.denoiser.original_folder import read_original_folder
from asva_lightning.denoiser.resnet import normalise_clips
from asva_lightning.denoiser.temporal_convolution import TemporalConv2d
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.errors import ConfigurationError, WeightsError


class AVSyncUNet(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """Stable Diffusion's UNet over clips, with audio and temporal layers (AVSyncD, ECCV 2024).

    Its tensors carry the names under which the original's checkpoints were published. The defaults are those of
    Stable Diffusion 1.5.

    Args:
        in_channels: Channels of a latent.
        out_channels: Channels of the prediction.
        block_out_channels: Channels of each level.
        attention_levels: Which levels have transformers, from the finest to the coarsest.
        layers_per_block: Residual blocks of a level on the way down; one more on the way up.
        heads: Attention heads (not their width).
        norm_groups: Groups of the group normalisations.
        text_channels: Width of the text tokens.
        audio_channels: Width of the audio tokens.
        trainable: ``added`` trains the audio and temporal layers only, as the method does from pretrained weights;
            ``all`` trains everything, for networks that start from nothing.
        anatomy: Which parts the network has; those of the method if not given.

    Attributes:
        memory_format: How pictures lie in memory inside the network; what the first layer is given, all others keep.

    Raises:
        ConfigurationError: If channels do not divide by heads or groups, the levels do not match, or the anatomy leaves
            nothing to train.
    """

    needs: ClassVar[Mapping[str, str]] = {
        "from_stable_diffusion.folder": "stable_diffusion: unet or itself",
        "from_original_folder.folder": "avsyncd_avsync15",
    }
    _supports_gradient_checkpointing = True
    memory_format: torch.memory_format = torch.contiguous_format

    @register_to_config
    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        attention_levels: Sequence[bool] = (True, True, True, False),
        layers_per_block: int = 2,
        heads: int = 8,
        norm_groups: int = 32,
        text_channels: int = 768,
        audio_channels: int = 768,
        trainable: Literal["added", "all"] = "added",
        anatomy: Anatomy | None = None,
    ) -> None:
        super().__init__()
        self.anatomy = anatomy_of(anatomy)
        # A configuration file holds plain values; the method's anatomy is left out, as before there were others.
        self.register_to_config(anatomy=asdict(self.anatomy) if self.anatomy.departures else None)
        widths = list(block_out_channels)
        _check(widths, attention_levels, heads, norm_groups)
        _check_trainable(trainable, self.anatomy)
        self._layers = layers_per_block
        time_channels = 4 * widths[0]
        make = LayerFactory(time_channels, heads, norm_groups, text_channels, audio_channels, self.anatomy)
        self._blocks = make.blocks
        self.conv_in = TemporalConv2d(in_channels, widths[0], 3, anatomy=self.anatomy)
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], time_channels)
        if self.anatomy.frame_times:
            self.frame_embedding_temp = _frame_embedding(widths[0], time_channels)
        down, up = _channel_plan(widths, layers_per_block)
        attend = [make.transformer if attends else None for attends in attention_levels]
        resample = [True] * (len(widths) - 1) + [False]  # the last level of either way keeps its size
        self.down_blocks = nn.ModuleList(
            DownLevel(channels, make.resnet, transformer, make.downsampler if shrinks else None)
            for channels, transformer, shrinks in zip(down, attend, resample)
        )
        self.mid_block = MiddleLevel(widths[-1], make.resnet, make.transformer)
        self.up_blocks = nn.ModuleList(
            UpLevel(channels, make.resnet, transformer, make.upsampler if grows else None)
            for channels, transformer, grows in zip(up, reversed(attend), resample)
        )
        self.conv_norm_out = nn.GroupNorm(norm_groups, widths[0], eps=1e-5)
        self.conv_out = TemporalConv2d(widths[0], out_channels, 3, anatomy=self.anatomy)
        if trainable == "added":
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(is_added(name))

    @apply_forward_hook
    def prepare(self, conditions: Conditions, frames: int) -> PreparedConditions:
        """Make the keys and values of text and sound, which depend on neither the noise nor its level.

        Args:
            conditions: Of ``b`` clips; frozen encoders may give them in another floating-point type than the network's.
            frames: Number of frames ``f`` of these clips.

        Returns:
            A value that may be passed to :meth:`forward` in place of the conditions, as often as wanted.

        Raises:
            ConfigurationError: If the audio mask is for another number of frames.
        """
        text, times = None, conditions.frame_times
        if times is not None and times.shape[-1] != frames:
            raise ConfigurationError(f"There are {times.shape[-1]} frame times, but the clip has {frames} frames.")
        if self.anatomy.text:
            of_text = conditions.text.to(self.dtype)
            text = tuple(block.attn2.keys_values(of_text) for block in self._blocks)
        if conditions.audio is None or not self.anatomy.audio:
            return PreparedConditions(text, frame_times=times)
        mask = conditions.audio_mask
        if mask is None:
            mask = conditions.audio.new_ones(frames, conditions.audio.shape[1], dtype=torch.bool)
        if mask.shape[-2] != frames:
            raise ConfigurationError(f"The audio mask is for {mask.shape[-2]} frames, but the clip has {frames}.")
        tokens = TokensOfFrames.from_mask(mask)
        of_audio = conditions.audio.to(self.dtype)
        audio = tuple(tokens.gather(block.attn_audio.keys_values(of_audio)) for block in self._blocks)
        return PreparedConditions(text, audio, tokens.padding(len(conditions.audio)), times)

    def forward(self, sample: Tensor, timestep: Tensor, conditions: Conditions | PreparedConditions) -> Tensor:
        """Predict from noisy latents.

        Args:
            sample: Latents ``(b, c, f, h, w)``; any number of frames, any height and width.
            timestep: Noise level of each clip, ``(b,)`` integers.
            conditions: Text and sound, or what :meth:`prepare` made of them.

        Returns:
            The prediction, ``(b, c, f, h, w)``.
        """
        if isinstance(conditions, PreparedConditions):
            return self.predict(sample, timestep, conditions)
        return self.predict(sample, timestep, self.prepare(conditions, sample.shape[2]))

    def predict(self, sample: Tensor, timestep: Tensor, conditions: PreparedConditions) -> Tensor:
        """What :meth:`forward` does with prepared conditions; ``torch.compile`` makes one graph of it."""
        batch, _, frames, _, _ = sample.shape
        time = self._time(timestep.expand(batch), conditions.frame_times, frames, sample.dtype)
        images = sample.transpose(1, 2).flatten(0, 1).contiguous(memory_format=self.memory_format)
        images = self.conv_in(images, frames)
        kept = [images]
        for level in self.down_blocks:
            images, results = level(images, time, conditions, frames)
            kept += results
        images = self.mid_block(images, time, conditions, frames)
        layers = self._layers + 1
        for level in self.up_blocks:
            own, kept = tuple(kept[-layers:]), kept[:-layers]
            size = kept[-1].shape[-2:] if kept else images.shape[-2:]
            images = level(images, own, size, time, conditions, frames)
        images = self.conv_out(silu(normalise_clips(self.conv_norm_out, images, frames)), frames)
        return images.unflatten(0, (batch, frames)).transpose(1, 2)

    def _time(self, timestep: Tensor, frame_times: Tensor | None, frames: int, dtype: torch.dtype) -> Tensor:
        """The embedding of the noise level of each clip, and of the times of its frames, ``(b, 1 or f, t)``."""
        of_level: Tensor = self.time_embedding(self.time_proj(timestep).to(dtype))[:, None]
        if not self.anatomy.frame_times:
            return of_level
        times = torch.arange(frames, device=timestep.device) if frame_times is None else frame_times
        of_frames: Tensor = self.frame_embedding_temp(self.time_proj(times.flatten()).to(dtype))
        return of_level + of_frames.unflatten(0, (-1, frames))

    @classmethod
    def from_stable_diffusion(
        cls,
        folder: str | Path,
        trainable: Literal["added", "all"] = "added",
        audio_channels: int = 768,
        anatomy: Anatomy | None = None,
    ) -> "AVSyncUNet":
        """Inflate Stable Diffusion's UNet, as the method begins; see :mod:`asva_lightning.denoiser.inflation`.

        Args:
            folder: A folder of the Stable Diffusion 1.x family in diffusers layout, the ``unet`` folder in it, or a
                Hub id such as ``stable-diffusion-v1-5/stable-diffusion-v1-5``.
            trainable: As for the class.
            audio_channels: Width of the audio tokens.
            anatomy: As for the class; weights of parts that are left out are not used.

        Raises:
            WeightsError: If the weights are missing, damaged, or of another family.
        """
        from asva_lightning.denoiser.inflation import inflate_folder  # it builds this class

        return inflate_folder(folder, trainable, audio_channels, anatomy)

    @classmethod
    def from_original(
        cls, config: Mapping[str, Any], state_dict: Mapping[str, Tensor], trainable: Literal["added", "all"] = "added"
    ) -> "AVSyncUNet":
        """Build the network of a published checkpoint.

        Args:
            config: The original's constructor arguments.
            state_dict: Its tensors under its own names.
            trainable: As for the class.

        Raises:
            WeightsError: If config, names or shapes do not fit; the first one that does not is named.
        """
        unet = cls(**config_from_original(config), trainable=trainable)
        load_by_name(unet, state_dict, "the checkpoint", "Is the config the one the checkpoint was saved with?")
        return unet

    @classmethod
    def from_original_folder(cls, folder: str | Path, trainable: Literal["added", "all"] = "added") -> "AVSyncUNet":
        """Read a checkpoint that the method's authors published, or that ``save_original`` wrote.

        Args:
            folder: The checkpoint's folder, with ``modules/unet`` in it; the ``unet`` folder itself; or a file of
                tensors beside its ``config.json``.
            trainable: As for the class.

        Raises:
            WeightsError: If the checkpoint is missing, damaged, has diverged, or is of another configuration.
        """
        config, tensors = read_original_folder(folder)
        try:
            return cls.from_original(config, tensors, trainable)
        except WeightsError as error:
            raise WeightsError(f"{folder} does not fit: {error}") from error


def _frame_embedding(channels: int, time_channels: int) -> TimestepEmbedding:
    """Embeds the times of frames; it starts at zero, so that a network starts as one without it."""
    embedding = TimestepEmbedding(channels, time_channels)
    for parameter in embedding.linear_2.parameters():
        nn.init.zeros_(parameter)
    return embedding


def _check(widths: list[int], attention_levels: Sequence[bool], heads: int, norm_groups: int) -> None:
    if len(widths) != len(attention_levels):
        raise ConfigurationError(
            f"block_out_channels has {len(widths)} levels, attention_levels {len(attention_levels)}; give one for each."
        )
    for width in widths:
        if width % heads or width % norm_groups:
            raise ConfigurationError(f"{width} channels do not divide by {heads} heads and {norm_groups} norm groups.")


def _check_trainable(trainable: str, anatomy: Anatomy) -> None:
    if trainable == "added" and not anatomy.added:
        raise ConfigurationError(
            "This anatomy has none of the layers that are added to Stable Diffusion, so trainable: added leaves "
            "nothing to train. Use trainable: all, or leave some of the layers in."
        )


def _channel_plan(widths: list[int], layers: int) -> tuple[list[list[tuple[int, int]]], list[list[tuple[int, int]]]]:
    """Channels in and out of every residual block, level by level: on the way down, on the way up."""
    down, kept, width = [], [widths[0]], widths[0]
    for level, out in enumerate(widths):
        down.append([(width if layer == 0 else out, out) for layer in range(layers)])
        kept += [out] * (layers + (level < len(widths) - 1))
        width = out
    up = []
    for out in reversed(widths):
        up.append([((width if layer == 0 else out) + kept.pop(), out) for layer in range(layers + 1)])
        width = out
    return down, up
