"""Several audio encoders at once."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn

from asva_lightning.encoders.ast import AstAudio, AstNetwork
from asva_lightning.encoders.audio import AudioEncoder, LogMelEncoder
from asva_lightning.encoders.imagebind import ImageBind, ImageBindAudio, ImageBindLayers
from asva_lightning.encoders.layers import normalise, project
from asva_lightning.encoders.projected import AudioNetwork, ProjectedAudio
from asva_lightning.encoders.windows import TokenGrid
from asva_lightning.errors import ConfigurationError

PARTS = {kind.__name__: kind for kind in (LogMelEncoder, ImageBind, ImageBindLayers, AstNetwork)}
"""The networks of encoders that an exported folder may name as one of several."""


def audio_encoder_of(network: nn.Module) -> AudioEncoder:
    """The audio encoder that uses this component of a pipeline.

    Raises:
        ConfigurationError: If it is none.
    """
    if isinstance(network, AudioEncoder):
        return network
    if isinstance(network, ImageBind | ImageBindLayers):
        return ImageBindAudio.of(network)
    if isinstance(network, AstNetwork):
        return AstAudio.of(network)
    if isinstance(network, SeveralAudioNetworks):
        return SeveralAudioEncoders.of(network)
    kind = type(network).__name__
    raise ConfigurationError(f"A {kind} cannot be the audio_encoder: give ImageBind or an AudioEncoder.")


class SeveralAudioNetworks(AudioNetwork, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the file
    """The networks of several audio encoders, and a trained Linear for each.

    Args:
        parts: For each network its class, by a name in :data:`PARTS`, as ``class``, and its arguments.
        channels: Width of a token.
    """

    @register_to_config
    def __init__(self, parts: Sequence[Mapping[str, Any]], channels: int) -> None:
        super().__init__()
        self._use([audio_encoder_of(_make(part)) for part in parts], channels)

    @classmethod
    def of(cls, encoders: Sequence[AudioEncoder], channels: int) -> Self:
        """The networks of encoders that are already made.

        Raises:
            ConfigurationError: If they are none, or hear at different sample rates.
        """
        made = cls.__new__(cls)
        ModelMixin.__init__(made)
        made._use(encoders, channels)
        made.register_to_config(parts=[_describe(encoder.component) for encoder in encoders], channels=channels)
        return made

    def _use(self, encoders: Sequence[AudioEncoder], channels: int) -> None:
        rates = {encoder.sample_rate for encoder in encoders}
        if len(rates) != 1 or any(isinstance(encoder, SeveralAudioEncoders) for encoder in encoders):
            met = ", ".join(f"{type(encoder).__name__} ({encoder.sample_rate} Hz)" for encoder in encoders)
            raise ConfigurationError(
                f"SeveralAudioEncoders takes one list of encoders of one sample rate, not [{met}]. "
                "Put all encoders into encoders, those of another SeveralAudioEncoders too."
            )
        self.channels = channels
        self.sample_rate = rates.pop()
        self.encoders = tuple(encoders)  # a tuple is not registered, as their networks are
        self.networks = nn.ModuleList([encoder.component for encoder in encoders])
        self.linears = nn.ModuleList([nn.Linear(encoder.channels, channels) for encoder in encoders])

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The grids of all encoders."""
        return tuple(grid for encoder in self.encoders for grid in encoder.grids(samples))

    @apply_forward_hook
    def tokens(self, waveform: Tensor) -> Tensor:
        """Tokens ``(b, m, channels)`` of sounds ``(b, samples)``, one encoder after the other."""
        return self._join([encoder(waveform) for encoder in self.encoders])

    @apply_forward_hook
    def nothing(self, samples: int) -> Tensor:
        """What each encoder says of no sound, ``(1, m, channels)``."""
        return self._join([encoder.null(samples) for encoder in self.encoders])

    def save_config(self, save_directory: Any, *args: Any, **options: Any) -> None:
        """Write ``config.json``.

        Raises:
            ConfigurationError: If an encoder is not of this package.
        """
        for part in self.config["parts"]:
            if part["class"] not in PARTS:
                raise ConfigurationError(
                    f"A {part['class']} cannot be exported as one of several audio encoders: a folder names only "
                    f"{', '.join(PARTS)}. Use the run folder itself, or add the class to "
                    "asva_lightning/encoders/several.py."
                )
        super().save_config(save_directory, *args, **options)

    def _join(self, tokens: Sequence[Tensor]) -> Tensor:
        # Encoders give tokens of very different size; normalised ones learn alike.
        return torch.cat([project(linear, normalise(own)) for linear, own in zip(self.linears, tokens)], dim=1)


class SeveralAudioEncoders(ProjectedAudio):
    """Several encoders at once (Scaling-up ASVA): the tokens of each, normalised, through a trained Linear of its own.

    The denoiser gets all tokens, one encoder after the other; frame windows are applied to each encoder's own grid.

    Args:
        encoders: The encoders; they may be frozen, trained or both.
        channels: Width of a token.

    Raises:
        ConfigurationError: If there is no encoder, or they hear at different sample rates.
    """

    def __init__(self, encoders: list[AudioEncoder], channels: int = 768) -> None:
        super().__init__()
        self._use(SeveralAudioNetworks.of(encoders, channels))

    @classmethod
    def of(cls, network: SeveralAudioNetworks) -> "SeveralAudioEncoders":
        """The encoder that uses networks that are already loaded."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(network)
        return made

    def _use(self, network: SeveralAudioNetworks) -> None:
        self._hold(network)
        self.encoders = nn.ModuleList(network.encoders)
        self.linears = network.linears

    def grid(self, samples: int) -> TokenGrid:
        """The layout of the tokens of the first encoder."""
        return self.grids(samples)[0]


def _make(part: Mapping[str, Any]) -> nn.Module:
    kind = PARTS.get(part["class"])
    if kind is None:
        raise ConfigurationError(f"There is no network {part['class']!r} for one of several audio encoders.")
    return kind(**{name: value for name, value in part.items() if name != "class"})


def _describe(network: nn.Module) -> dict[str, Any]:
    config: Mapping[str, Any] = getattr(network, "config", {})
    return {"class": type(network).__name__, **{k: v for k, v in config.items() if not k.startswith("_")}}
