"""The audio tower of ImageBind: a log-mel spectrogram as a picture of overlapping patches."""

import torch
from torch import Tensor, nn

from asva_lightning.encoders.imagebind.tower import Parts, Tower
from asva_lightning.encoders.imagebind.transformer import (
    ClassTokenHead,
    LogitScale,
    PositionEmbedding,
    Trunk,
    UnitNorm,
)
from asva_lightning.encoders.windows import IMAGEBIND_GRID

PATCH, STRIDE = 16, 10
MEL_SHAPE = (1, 128, 204)
"""Channel, bands and columns of the spectrogram that the tower takes: two seconds."""


class _Patches(nn.Module):
    """Overlapping patches of the spectrogram, normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, stride=STRIDE, bias=False)
        self.norm_layer = nn.LayerNorm(width)

    def forward(self, mel: Tensor) -> Tensor:
        normalised: Tensor = self.norm_layer(self.proj(mel).flatten(2).transpose(1, 2))
        return normalised


class AudioPreprocessor(nn.Module):
    """Spectrograms ``(b, 1, 128, 204)`` to 229 tokens: a class token, then 12 bands over 19 steps of time."""

    shape = MEL_SHAPE
    advice = "Make it with asva_lightning.media.log_mel"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.rgbt_stem = _Patches(width)
        self.pos_embedding_helper = PositionEmbedding(IMAGEBIND_GRID.tokens, width)

    def forward(self, mel: Tensor) -> tuple[Tensor, None]:
        """Tokens ``(b, 229, width)``; all may attend to all."""
        tokens = torch.cat([self.cls_token.expand(len(mel), -1, -1), self.rgbt_stem(mel)], dim=1)
        return self.pos_embedding_helper(tokens), None


def audio_parts(tower: Tower, embedding: int) -> Parts:
    """The modules of the audio tower."""
    return Parts(
        AudioPreprocessor(tower.width),
        Trunk(tower, extra_token=True),
        ClassTokenHead(tower.width, embedding),
        nn.Sequential(UnitNorm(), LogitScale()),
    )
