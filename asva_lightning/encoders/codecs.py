"""Latent codecs: pixels in, latents out, and back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.encoders.placed import Placed
from asva_lightning.errors import ConfigurationError
from asva_lightning.weights import find_folder


class LatentCodec(Placed, ABC):
    """What every codec offers. Pixels are floats in [-1, 1].

    Attributes:
        channels: Channels of a latent.
        factor: How many pixels share one latent, along height and width each.
    """

    channels: int
    factor: int

    def encode(self, pixels: Tensor, generators: Sequence[torch.Generator] | None = None) -> Tensor:
        """Encode clips ``(b, 3, f, h, w)`` into latents ``(b, c, f, h / factor, w / factor)``.

        Args:
            pixels: The clips.
            generators: One a clip, where the codec is to be sampled; without them the most likely latents are taken.
        """
        return self.from_frames(*self.encode_frames(pixels), generators)

    def encode_frames(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """What there is to be known of every frame by itself, which can be computed once and kept.

        A codec whose latents of a frame depend on other frames, or on chance, has its own :meth:`encode` or
        :meth:`from_frames`.

        Args:
            pixels: Clips ``(b, 3, f, h, w)``.

        Returns:
            Mean and standard deviation ``(b, f, c, h / factor, w / factor)`` of each frame's latents; no deviation
            where there is nothing to sample.

        Raises:
            ConfigurationError: If the codec encodes clips as a whole.
        """
        raise ConfigurationError(
            f"{type(self).__name__} encodes clips as a whole, so its latents cannot be kept frame by frame. Train it "
            "from pixels."
        )

    def from_frames(
        self, mean: Tensor, deviation: Tensor | None, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """Make latents of clips of what :meth:`encode_frames` knows of their frames.

        Args:
            mean: ``(b, f, c, h / factor, w / factor)``.
            deviation: As large, or nothing.
            generators: One a clip, where the latents are to be sampled.

        Returns:
            Latents ``(b, c, f, h / factor, w / factor)``.
        """
        if deviation is not None and generators is not None:
            shape, kind = mean.shape[1:], torch.float32  # in training with bf16-true or 16-true, not the default
            noise = [torch.randn(shape, generator=one, device=mean.device, dtype=kind) for one in generators]
            mean = mean + deviation * torch.stack(noise)
        return mean.transpose(1, 2)

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents into clips ``(b, 3, f, h, w)``, in [-1, 1]."""

    def begin_at(self, latents: Tensor, frame: int) -> Tensor:
        """Latents of the same clips ``(b, c, f, h, w)`` from a later frame on."""
        return latents[:, :, frame:]

    @property
    def component(self) -> nn.Module:
        """What a diffusers pipeline keeps of this codec."""
        return self

    @property
    def frame_settings(self) -> dict[str, Any]:
        """Settings, besides weights, that :meth:`encode_frames` depends on; kept latents are known by them."""
        config: Mapping[str, Any] = getattr(self, "config", {})
        return {name: value for name, value in config.items() if not name.startswith("_")}

    def latent_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the latents of a picture.

        Raises:
            ConfigurationError: If the picture's size is no multiple of the factor.
        """
        if height % self.factor or width % self.factor:
            raise ConfigurationError(
                f"A picture of {height}x{width} px does not divide by the codec's factor {self.factor}. "
                "Set --data.format.height and --data.format.width to multiples of it."
            )
        return height // self.factor, width // self.factor


class PixelCodec(LatentCodec, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """Blocks of pixels laid out as channels: fixed, invertible, for small pictures and networks without a VAE.

    Args:
        factor: Side of a block; a latent has ``3 * factor**2`` channels.
        change: Where given, frames after the first are stored as their change from the first frame, times this
            number. What does not move is then zero, which a small network learns much sooner than to copy a picture.
    """

    @register_to_config
    def __init__(self, factor: int = 4, change: float | None = None) -> None:
        super().__init__()
        if change is not None and not change > 0:
            raise ConfigurationError(
                f"PixelCodec needs change > 0, not {change}; leave it out to store frames as they are."
            )
        self.factor = factor
        self.channels = 3 * factor**2
        self.change = change
        self.register_buffer("_place", torch.zeros(()), persistent=False)  # a module without tensors has no device

    @property
    def frame_settings(self) -> dict[str, Any]:
        """The factor alone: ``change`` acts when frames are put together."""
        return {"factor": self.factor}

    def encode_frames(self, pixels: Tensor) -> tuple[Tensor, None]:
        """Every frame as it is; there is nothing to sample."""
        return pixel_unshuffle(pixels.transpose(1, 2), self.factor), None

    def from_frames(
        self, mean: Tensor, deviation: Tensor | None, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """With ``change``, the frames after the first become their change from it."""
        if self.change is not None:
            first = mean[:, :1]
            mean = torch.cat([first, (mean[:, 1:] - first) * self.change], dim=1)
        return super().from_frames(mean, deviation, generators)

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents exactly; with ``change``, up to rounding."""
        pixels = pixel_shuffle(latents.transpose(1, 2), self.factor).transpose(1, 2)
        if self.change is not None:
            first = pixels[:, :, :1]
            pixels = torch.cat([first, first + pixels[:, :, 1:] / self.change], dim=2)
        return pixels

    def begin_at(self, latents: Tensor, frame: int) -> Tensor:
        """With ``change``, frames are told by their change from another first frame, which is a picture again."""
        if self.change is None:
            return super().begin_at(latents, frame)
        return self.encode(self.decode(latents)[:, :, frame:].clamp(-1, 1))


class AutoencoderCodec(LatentCodec):
    """Stable Diffusion's AutoencoderKL from a diffusers folder, frozen.

    Args:
        folder: A folder in diffusers layout that holds ``vae``, or the Hub id of one.
        frames_at_once: Frames that go through the autoencoder together, to bound memory.
    """

    needs: ClassVar[Mapping[str, str]] = {"folder": "stable_diffusion: vae"}

    def __init__(self, folder: str, frames_at_once: int = 16) -> None:
        super().__init__()
        from diffusers import AutoencoderKL

        found = find_folder(folder, "stable_diffusion", ("vae",))
        self._use(AutoencoderKL.from_pretrained(found, subfolder="vae", torch_dtype=torch.float32), frames_at_once)

    @classmethod
    def of(cls, network: nn.Module, frames_at_once: int = 16) -> "AutoencoderCodec":
        """The codec that uses an ``AutoencoderKL`` that is already loaded."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(network, frames_at_once)
        return made

    def _use(self, network: Any, frames_at_once: int) -> None:
        self._network = Frozen(network)
        self.channels = network.config.latent_channels
        self.factor = 2 ** (len(network.config.block_out_channels) - 1)
        self.scale = float(network.config.scaling_factor)
        self.frames_at_once = frames_at_once

    @property
    def component(self) -> nn.Module:
        """The autoencoder."""
        return self._network.network

    @torch.no_grad()
    def encode_frames(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior of every frame, without the scale."""
        network = self._network.on(pixels.device)
        frames = pixels.transpose(1, 2).flatten(0, 1).to(network.dtype)
        posteriors = [network.encode(part).latent_dist for part in frames.split(self.frames_at_once)]
        mean = torch.cat([posterior.mean for posterior in posteriors]).to(pixels.dtype).unflatten(0, (len(pixels), -1))
        return mean, torch.cat([posterior.std for posterior in posteriors]).to(pixels.dtype).view_as(mean)

    def from_frames(
        self, mean: Tensor, deviation: Tensor | None, generators: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """Scale the mode of the posterior, or a sample where generators are given (as the method trains)."""
        return self.scale * super().from_frames(mean, deviation, generators)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents, some frames at a time."""
        network = self._network.on(latents.device)
        frames = (latents.transpose(1, 2).flatten(0, 1) / self.scale).to(network.dtype)
        pictures = torch.cat([network.decode(part).sample for part in frames.split(self.frames_at_once)]).to(
            latents.dtype
        )
        return pictures.unflatten(0, (len(latents), -1)).transpose(1, 2)
