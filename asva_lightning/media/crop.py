"""The one crop and resize that training and inference share."""

from torch import Tensor
from torch.nn import functional

from asva_lightning.errors import ConfigurationError


def crop_and_resize(pixels: Tensor, height: int, width: int, pixel_aspect: float = 1.0) -> Tensor:
    """Cut the largest centred part that has the wanted aspect, then resize it (bilinear, antialiased).

    Args:
        pixels: Pictures ``(..., 3, h, w)``, uint8 or floating point.
        height: Wanted height in (square) pixels.
        width: Wanted width in (square) pixels.
        pixel_aspect: Width of a stored pixel divided by its height, as displayed.

    Returns:
        Pictures ``(..., 3, height, width)`` of the same dtype.

    Raises:
        ConfigurationError: If a size is below one pixel.
    """
    if height < 1 or width < 1:
        raise ConfigurationError(f"A picture needs height and width >= 1, not {height} x {width}.")
    rows, columns = pixels.shape[-2:]
    aspect = width / height / pixel_aspect  # of the part, in stored pixels
    kept_rows = min(rows, max(1, round(columns / aspect)))
    kept_columns = min(columns, max(1, round(rows * aspect)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    part = pixels[..., top : top + kept_rows, left : left + kept_columns]
    return resize(part, height, width)


def resize(pixels: Tensor, height: int, width: int) -> Tensor:
    """Scale pictures ``(..., 3, h, w)`` to ``(..., 3, height, width)`` (bilinear, antialiased); nothing is cut off."""
    if pixels.shape[-2:] == (height, width):
        return pixels.contiguous()
    resized = functional.interpolate(
        pixels.reshape(-1, *pixels.shape[-3:]), (height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.reshape(*pixels.shape[:-2], height, width).contiguous()
