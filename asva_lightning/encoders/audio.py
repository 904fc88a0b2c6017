"""Audio encoders: a waveform in, tokens for the denoiser out."""

from abc import ABC, abstractmethod

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.nn.functional import gelu

from asva_lightning.encoders.placed import Placed
from asva_lightning.encoders.windows import TokenGrid
from asva_lightning.media import ClipFormat, log_mel

HOP = ClipFormat.sample_rate // 100
"""Samples from one column of the log-mel spectrogram to the next."""


class AudioEncoder(Placed, ABC):
    """What every audio encoder offers.

    Attributes:
        channels: Width of a token.
        sample_rate: Samples a second of the sound that it takes.
    """

    channels: int
    sample_rate: int = ClipFormat.sample_rate

    @abstractmethod
    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, m, channels)``."""

    @abstractmethod
    def grid(self, samples: int) -> TokenGrid:
        """The layout of the tokens of a sound of so many samples; of one set of them where there are several."""

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The layouts of all sets of tokens, in their order; frame windows are applied to each."""
        return (self.grid(samples),)

    @abstractmethod
    def null(self, samples: int) -> Tensor:
        """The tokens ``(1, m, channels)`` that stand for "no sound"; they cost nothing to ask for again."""

    @property
    def component(self) -> nn.Module:
        """What a diffusers pipeline keeps of this encoder."""
        return self


class LogMelEncoder(AudioEncoder, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """A small trainable encoder for work without pretrained weights: convolutions over the log-mel spectrogram.

    Four columns of the spectrogram (40 ms) become one token. "No sound" is a learned token, as the encoding of
    silence would change with every step.

    Args:
        channels: Width of a token.
        layers: Residual convolutions after the spectrogram has been shortened; each lets a token hear 80 ms more to
            both sides.
    """

    shortening = 4

    @register_to_config
    def __init__(self, channels: int = 96, layers: int = 2) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Sequential(
            nn.Conv1d(128, channels, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(channels, channels, 5, stride=2, padding=2),
        )
        self.convolutions = nn.ModuleList([nn.Conv1d(channels, channels, 5, padding=2) for _ in range(layers)])
        self.norm = nn.LayerNorm(channels)
        self.nothing = nn.Embedding(1, channels)
        nn.init.zeros_(self.nothing.weight)
        self._number: Tensor
        self.register_buffer("_number", torch.zeros(1, 1, dtype=torch.long), persistent=False)

    def grid(self, samples: int) -> TokenGrid:
        """One token for each 40 ms, none for the whole sound."""
        step = self.shortening * HOP / self.sample_rate
        return TokenGrid(0, 1, self._columns(samples) // self.shortening, first=step / 2, step=step)

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, m, channels)``."""
        mel = log_mel(waveform, columns=self._columns(waveform.shape[-1])).squeeze(1)
        hidden = self.stem(mel.to(self.norm.weight.dtype))
        for layer in self.convolutions:
            hidden = hidden + layer(gelu(hidden))
        normalised: Tensor = self.norm(hidden.transpose(1, 2))
        return normalised

    @apply_forward_hook
    def null(self, samples: int) -> Tensor:
        """The learned token, as often as the sound would have tokens."""
        # Through the layer's own forward: sharded parameters are gathered there.
        token: Tensor = self.nothing(self._number)
        return token.expand(1, self.grid(samples).tokens, -1)

    def _columns(self, samples: int) -> int:
        """Columns of the spectrogram that cover all samples, a multiple of the shortening."""
        per_token = self.shortening * HOP
        return self.shortening * -(-samples // per_token)
