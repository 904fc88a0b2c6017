"""Several layers of ImageBind's audio tower, and what is trained on top of them."""

from collections.abc import Sequence
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor

from asva_lightning.encoders.imagebind.audio import MEL_SHAPE
from asva_lightning.encoders.imagebind.model import ImageBind
from asva_lightning.encoders.layers import Join, LayerTokens, check_layers
from asva_lightning.encoders.projected import AudioNetwork
from asva_lightning.encoders.windows import IMAGEBIND_GRID, TokenGrid
from asva_lightning.media import ClipFormat, log_mel


class ImageBindLayers(AudioNetwork, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """A frozen ImageBind and the Linears that are trained on blocks of its audio tower.

    Args:
        imagebind: Arguments of :class:`~asva_lightning.encoders.ImageBind`.
        layers: Blocks whose hidden states are read.
        channels: Width of a token; that of the tower if not given.
        join: What becomes of the tokens of several layers.

    Raises:
        ConfigurationError: If a layer does not exist.
    """

    sample_rate = ClipFormat.sample_rate

    @register_to_config
    def __init__(
        self, imagebind: dict[str, Any], layers: Sequence[int], channels: int | None = None, join: Join = "sum"
    ) -> None:
        super().__init__()
        self._use(ImageBind(**imagebind), layers, channels, join)

    @classmethod
    def of(cls, imagebind: ImageBind, layers: Sequence[int], channels: int | None = None, join: Join = "sum") -> Self:
        """Read layers of an ImageBind that is already loaded."""
        made = cls.__new__(cls)
        ModelMixin.__init__(made)
        made._use(imagebind, layers, channels, join)
        settings = {name: value for name, value in imagebind.config.items() if not name.startswith("_")}
        made.register_to_config(imagebind=settings, layers=list(layers), channels=channels, join=join)
        return made

    def _use(self, imagebind: ImageBind, layers: Sequence[int], channels: int | None, join: Join) -> None:
        tower = imagebind.towers["audio"]
        check_layers(layers, channels, tower.layers, "ImageBind's audio tower")
        self.layers = layers
        self.channels = channels or tower.width
        self.tower = imagebind.eval().requires_grad_(False)
        self.project = LayerTokens(layers, tower.width, self.channels, join)
        self._nothing: list[Tensor] | None = None

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """The tower's grid, once or once a layer."""
        return (IMAGEBIND_GRID,) * self.project.sets

    @apply_forward_hook
    def tokens(self, waveform: Tensor) -> Tensor:
        """Tokens ``(b, m, channels)`` of sounds ``(b, samples)``; gradients reach the Linears only."""
        return self.project(self._states(log_mel(waveform)))

    @apply_forward_hook
    def nothing(self, samples: int) -> Tensor:
        """Tokens ``(1, m, channels)`` of an all-zero spectrogram, for which ImageBind itself is asked once."""
        if self._nothing is None:
            self._nothing = self._states(torch.zeros(1, *MEL_SHAPE))
        return self.project(self._nothing)

    @torch.no_grad()
    def _states(self, mel: Tensor) -> list[Tensor]:
        return self.tower.audio_layers(mel, self.layers)
