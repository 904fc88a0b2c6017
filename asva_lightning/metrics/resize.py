"""How frames are made ready for the networks behind FID and FVD."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from asva_lightning.errors import ConfigurationError


def squash(pixels: Tensor, side: int) -> Tensor:
    """Resize frames straight to a square, whatever their shape: bicubic, with antialiasing.

    Antialiasing matters where frames become smaller (Parmar et al., "On Aliased Resizing and Surprising Subtleties in
    GAN Evaluation", CVPR 2022). Values that the bicubic kernel throws beyond black and white stay.

    Args:
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        side: Wanted height and width.

    Returns:
        ``(b, 3, f, side, side)`` float32, in [-1, 1] up to overshoot.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` of uint8.
    """
    require_pixels(pixels)
    unit = pixels.float() / 255
    if unit.shape[-2:] != (side, side):
        pictures = unit.transpose(1, 2).flatten(0, 1)
        resized = interpolate(pictures, (side, side), mode="bicubic", align_corners=False, antialias=True)
        unit = resized.unflatten(0, (len(pixels), -1)).transpose(1, 2)
    return unit * 2 - 1


def require_pixels(pixels: Tensor) -> None:
    """Check that pixels are clips as they are read.

    Args:
        pixels: What should be ``(b, 3, f, h, w)``, uint8.

    Raises:
        ConfigurationError: If it is not.
    """
    if pixels.ndim != 5 or pixels.shape[1] != 3 or pixels.dtype != torch.uint8:
        raise ConfigurationError(
            f"This measure takes clips (b, 3, f, h, w) of uint8, not {tuple(pixels.shape)} of {pixels.dtype}. "
            "Add the batch dimension, and give frames as they are read."
        )
