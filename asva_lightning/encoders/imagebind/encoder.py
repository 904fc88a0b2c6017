"""The method's audio encoder."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.frozen import Frozen, Unregistered
from asva_lightning.encoders.imagebind.audio import MEL_SHAPE
from asva_lightning.encoders.imagebind.layers import ImageBindLayers
from asva_lightning.encoders.imagebind.model import ImageBind
from asva_lightning.encoders.imagebind.original import HUGE_HEADS
from asva_lightning.encoders.layers import Join, LayerTokens, check_layers
from asva_lightning.encoders.windows import IMAGEBIND_GRID, TokenGrid
from asva_lightning.errors import WeightsError
from asva_lightning.media import log_mel


class ImageBindAudio(AudioEncoder):
    """The method's audio encoder: ImageBind's audio tower, frozen, in eval mode.

    Args:
        weights: Path of the official ``imagebind_huge.pth`` (CC BY-NC-SA 4.0).
        heads: Attention heads of the audio tower.
        layers: Blocks of the tower, counted from 1, whose hidden states are read, each through a Linear that is
            trained; if not given, as in the method, the tokens of the last block, normalised, and no Linear.
        layer_channels: Width of a token where layers are read; that of the tower if not given.
        join: ``sum`` adds the tokens of several layers, ``concatenate`` gives all of them.

    Raises:
        ConfigurationError: If a layer does not exist, or there is a width without layers.
        WeightsError: If the weights are missing, damaged, or without an audio tower.
    """

    needs: ClassVar[Mapping[str, str]] = {"weights": "imagebind_huge"}

    def __init__(
        self,
        weights: str,
        heads: int = HUGE_HEADS["audio"],
        layers: list[int] | None = None,
        layer_channels: int | None = None,
        join: Join = "sum",
    ) -> None:
        super().__init__()
        tower = ImageBind.from_file(weights, {"audio": heads})
        check_layers(layers, layer_channels, tower.towers["audio"].layers, "ImageBind's audio tower")
        self._use(tower if layers is None else ImageBindLayers.of(tower, layers, layer_channels, join))

    @classmethod
    def of(cls, network: ImageBind | ImageBindLayers) -> "ImageBindAudio":
        """The encoder that uses an ImageBind that is already loaded.

        Raises:
            WeightsError: If it has no audio tower.
        """
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(network)
        return made

    def _use(self, network: ImageBind | ImageBindLayers) -> None:
        tower = network if isinstance(network, ImageBind) else network.tower
        if "audio" not in tower.towers:
            raise WeightsError(
                f"The audio encoder needs ImageBind's audio tower; this model holds: {', '.join(tower.towers)}."
            )
        self._tower = Frozen(tower)
        self._null: Tensor | None = None
        self._layers: Unregistered[ImageBindLayers] | None = None
        self.project: LayerTokens | None = None
        self.channels = tower.towers["audio"].width
        if isinstance(network, ImageBindLayers):
            self._layers = Unregistered(network)
            self.project = network.project  # registered here, where training finds it
            self.channels = network.channels

    @property
    def tower(self) -> ImageBind:
        """ImageBind, wherever it is."""
        return self._tower.network

    @property
    def component(self) -> nn.Module:
        """What a diffusers pipeline keeps of this encoder: ImageBind, with what is trained on its layers if they are.

        It is the same object every time.
        """
        return self.tower if self._layers is None else self._layers.network

    def grid(self, samples: int) -> TokenGrid:
        """The tower's grid, whatever the length: it hears two seconds, and pads or cuts other sounds."""
        return IMAGEBIND_GRID

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The tower's grid, once or once a layer."""
        return (IMAGEBIND_GRID,) if self._layers is None else self._layers.network.grids(samples)

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, 229, channels)``, in the type of the tower.

        With ``join="concatenate"`` there are 229 tokens a layer; tokens of layers have the type of the Linears.
        """
        if self._layers is not None:
            return self._layers.on(waveform.device).tokens(waveform)
        with torch.no_grad():
            tokens: Tensor = self._tower.on(waveform.device).audio_tokens(log_mel(waveform))
        return tokens

    def null(self, samples: int) -> Tensor:
        """The encoding of an all-zero spectrogram; the tower is asked once, wherever it is."""
        if self._layers is not None:
            return self._layers.network.nothing(samples)
        if self._null is None:
            with torch.no_grad():
                self._null = self.tower.audio_tokens(torch.zeros(1, *MEL_SHAPE))
        assert self._null is not None
        return self._null
