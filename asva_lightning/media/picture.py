"""Still pictures, and the one crop and resize that training and inference share."""

import struct
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.container import Source, source_name

# What Pillow's decoders raise on damaged files, besides the documented OSError.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


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
    if part.shape[-2:] == (height, width):
        return part.contiguous()
    resized = functional.interpolate(
        part.reshape(-1, *part.shape[-3:]), (height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.reshape(*pixels.shape[:-2], height, width).contiguous()


def read_picture(path: Source, height: int, width: int) -> Tensor:
    """Read a picture file as it is meant to be seen, cropped and resized.

    The camera's orientation is honoured, transparent parts become white, grey becomes RGB, and of an animated picture
    the first frame is taken.

    Args:
        path: A file that Pillow can read (JPEG, PNG, WebP, ...), as a path or binary file.
        height: Wanted height in pixels.
        width: Wanted width in pixels.

    Returns:
        Pixels ``(3, height, width)``, uint8.

    Raises:
        MediaError: If the file cannot be read as a picture.
        ConfigurationError: If a size is below one pixel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice that size is an error
            with Image.open(path) as picture:
                rgb = np.array(_as_rgb(ImageOps.exif_transpose(picture)))
    except _PILLOW_ERRORS as error:
        raise MediaError(source_name(path), f"cannot be read as a picture: {error}.") from error
    return crop_and_resize(torch.from_numpy(rgb).permute(2, 0, 1), height, width)


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255 instead of scaling it
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
