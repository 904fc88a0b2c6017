"""The method's audio encoder."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.frozen import Frozen
from asva_lightning.encoders.imagebind.audio import MEL_SHAPE
from asva_lightning.encoders.imagebind.model import ImageBind
from asva_lightning.encoders.imagebind.original import HUGE_HEADS
from asva_lightning.encoders.windows import IMAGEBIND_GRID, TokenGrid
from asva_lightning.errors import WeightsError
from asva_lightning.media import log_mel


class ImageBindAudio(AudioEncoder):
    """The method's audio encoder: ImageBind's audio tower, frozen, in eval mode.

    Args:
        weights: Path of the official ``imagebind_huge.pth`` (CC BY-NC-SA 4.0).
        heads: Attention heads of the audio tower.
    """

    needs: ClassVar[Mapping[str, str]] = {"weights": "imagebind_huge"}

    def __init__(self, weights: str, heads: int = HUGE_HEADS["audio"]) -> None:
        super().__init__()
        self._use(ImageBind.from_file(weights, {"audio": heads}))

    @classmethod
    def of(cls, tower: ImageBind) -> "ImageBindAudio":
        """The encoder that uses an ImageBind that is already loaded.

        Raises:
            WeightsError: If it has no audio tower.
        """
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(tower)
        return made

    def _use(self, tower: ImageBind) -> None:
        if "audio" not in tower.towers:
            raise WeightsError(
                f"The audio encoder needs ImageBind's audio tower; this model holds: {', '.join(tower.towers)}."
            )
        self.channels = tower.towers["audio"].width
        self._tower = Frozen(tower)
        self._null: Tensor | None = None

    @property
    def tower(self) -> ImageBind:
        """ImageBind, wherever it is."""
        return self._tower.network

    @property
    def component(self) -> nn.Module:
        """What a diffusers pipeline keeps of this encoder: ImageBind."""
        return self.tower

    def grid(self, samples: int) -> TokenGrid:
        """The tower's grid, whatever the length: it hears two seconds, and pads or cuts other sounds."""
        return IMAGEBIND_GRID

    @torch.no_grad()
    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, 229, channels)``, in the type of the tower."""
        tokens: Tensor = self._tower.on(waveform.device).audio_tokens(log_mel(waveform))
        return tokens

    @torch.no_grad()
    def null(self, samples: int) -> Tensor:
        """The encoding of an all-zero spectrogram, made once, wherever the tower is."""
        if self._null is None:
            self._null = self.tower.audio_tokens(torch.zeros(1, *MEL_SHAPE))
        assert self._null is not None
        return self._null
