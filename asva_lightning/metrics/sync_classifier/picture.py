"""How frames are made ready for the classifier: size, then the mean and deviation of CLIP."""

import torch
from torch import Tensor
from torch.nn import functional

SIZE = 224
"""Height and width that the released classifier was trained on."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def for_training(pixels: Tensor, size: int = SIZE) -> Tensor:
    """As the classifier is trained and tested: short side to ``size`` (bicubic, antialiased), then the centre.

    Args:
        pixels: RGB clips ``(..., 3, f, h, w)``, uint8.
        size: Wanted height and width.

    Returns:
        ``(..., 3, f, size, size)`` float32, normalised.
    """
    height, width = pixels.shape[-2:]
    short = min(height, width)
    resized = _resize(pixels, size * height // short, size * width // short)
    top, left = (round((side - size) / 2) for side in resized.shape[-2:])
    return _normalise(resized[..., top : top + size, left : left + size])


def for_scoring(pixels: Tensor, size: int = SIZE) -> Tensor:
    """As RelSync asks the classifier: straight to ``size`` x ``size`` (bicubic, antialiased), whatever the shape.

    Args:
        pixels: RGB clips ``(..., 3, f, h, w)``, uint8.
        size: Wanted height and width.

    Returns:
        ``(..., 3, f, size, size)`` float32, normalised.
    """
    return _normalise(_resize(pixels, size, size))


def _resize(pixels: Tensor, height: int, width: int) -> Tensor:
    """To float in 0..1; like the original's, an overshoot of the bicubic kernel stays."""
    unit = pixels.float() / 255
    if unit.shape[-2:] == (height, width):
        return unit
    flat = unit.reshape(-1, *unit.shape[-3:])  # each frame of each colour is a picture of its own
    resized = functional.interpolate(flat, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return resized.reshape(*unit.shape[:-2], height, width)


def _normalise(unit: Tensor) -> Tensor:
    mean, deviation = (
        torch.tensor(values, dtype=unit.dtype, device=unit.device).view(3, 1, 1, 1)
        for values in (CLIP_MEAN, CLIP_DEVIATION)
    )
    return (unit - mean) / deviation
