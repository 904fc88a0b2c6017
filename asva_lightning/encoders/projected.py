"""Audio encoders of which one part is frozen and another is trained."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.frozen import Unregistered
from asva_lightning.encoders.windows import TokenGrid


class AudioNetwork(nn.Module, ABC):
    """Everything that makes tokens of a sound, frozen and trained, as a diffusers pipeline keeps and moves it.

    Attributes:
        channels: Width of a token.
        sample_rate: Samples a second of the sound that it takes.
    """

    channels: int
    sample_rate: int

    @abstractmethod
    def tokens(self, waveform: Tensor) -> Tensor:
        """Tokens ``(b, m, channels)`` of sounds ``(b, samples)``; gradients reach the trained part only."""

    @abstractmethod
    def nothing(self, samples: int) -> Tensor:
        """Tokens ``(1, m, channels)`` that stand for "no sound"."""

    @abstractmethod
    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The layout of the tokens, one grid after the other."""


class ProjectedAudio(AudioEncoder):
    """The shell of an :class:`AudioNetwork` in training: what is trained is registered here, the rest is held aloof."""

    _held: Unregistered[AudioNetwork]

    def _hold(self, network: AudioNetwork) -> None:
        self._held = Unregistered(network)
        self.channels = network.channels
        self.sample_rate = network.sample_rate

    @property
    def component(self) -> nn.Module:
        """What a diffusers pipeline keeps of this encoder: the frozen network and what is trained, in one."""
        return self._held.network

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings of that component: kept tokens were made by an encoder of the same ones, or are not used."""
        settings: Mapping[str, Any] = getattr(self._held.network, "config", {})
        return settings

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, m, channels)``."""
        return self._held.on(waveform.device).tokens(waveform)

    def null(self, samples: int) -> Tensor:
        """What the frozen network says of no sound, through what is trained."""
        return self._held.network.nothing(samples)

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The layout of the tokens, one grid after the other."""
        return self._held.network.grids(samples)
