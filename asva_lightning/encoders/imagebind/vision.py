"""The vision tower of ImageBind, and how pictures are made ready for it."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from asva_lightning.encoders.imagebind.tower import Parts, Tower
from asva_lightning.encoders.imagebind.transformer import ClassTokenHead, PositionEmbedding, Trunk, UnitNorm
from asva_lightning.errors import ConfigurationError

SIDE = 224
PATCH = (2, 14, 14)
"""Frames, height and width of a patch: the tower was made for videos, and sees a still picture as two equal frames."""
TOKENS = 1 + (SIDE // PATCH[1]) * (SIDE // PATCH[2])
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def prepare_pictures(pixels: Tensor) -> Tensor:
    """Pictures as the vision tower takes them: resized straight to 224 x 224, normalised by CLIP's mean and deviation.

    The resize is bicubic with antialiasing. It does not keep the aspect: so IA and IT, the image-audio and image-text
    similarities of AVSyncD (ECCV 2024), are measured, and a picture of 128 x 256 is squashed. Values that the bicubic
    kernel throws beyond black and white stay.

    Args:
        pixels: RGB pictures ``(b, 3, h, w)``, uint8.

    Returns:
        ``(b, 3, 224, 224)`` float32.

    Raises:
        ConfigurationError: If these are not such pictures.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.dtype != torch.uint8:
        raise ConfigurationError(
            f"prepare_pictures takes RGB pictures (b, 3, h, w) of uint8, not {tuple(pixels.shape)} of {pixels.dtype}. "
            "Frames of a clip (3, f, h, w) become pictures by pixels.transpose(0, 1)."
        )
    unit = interpolate(pixels.float() / 255, (SIDE, SIDE), mode="bicubic", align_corners=False, antialias=True)
    mean, deviation = (unit.new_tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_DEVIATION))
    return (unit - mean) / deviation


class _Twice(nn.Module):
    """A still picture as a video of two equal frames."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures[:, :, None].expand(-1, -1, PATCH[0], -1, -1)


class _Patches(nn.Module):
    """Patches of the picture, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(_Twice(), nn.Conv3d(3, width, PATCH, stride=PATCH, bias=False))

    def forward(self, pictures: Tensor) -> Tensor:
        patches: Tensor = self.proj(pictures).flatten(2).transpose(1, 2)
        return patches


class VisionPreprocessor(nn.Module):
    """Pictures ``(b, 3, 224, 224)`` to 257 tokens: a class token, then 16 x 16 patches."""

    shape = (3, SIDE, SIDE)
    advice = "Make it with asva_lightning.encoders.imagebind.prepare_pictures"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.rgbt_stem = _Patches(width)
        self.pos_embedding_helper = PositionEmbedding(TOKENS, width)

    def forward(self, pictures: Tensor) -> tuple[Tensor, None]:
        """Tokens ``(b, 257, width)``; all may attend to all."""
        tokens = torch.cat([self.cls_token.expand(len(pictures), -1, -1), self.rgbt_stem(pictures)], dim=1)
        return self.pos_embedding_helper(tokens), None


def vision_parts(tower: Tower, embedding: int) -> Parts:
    """The modules of the vision tower."""
    return Parts(
        VisionPreprocessor(tower.width),
        Trunk(tower, normalised_input=True),
        ClassTokenHead(tower.width, embedding),
        UnitNorm(),
    )
