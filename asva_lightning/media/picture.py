"""Still pictures of any kind."""

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from asva_lightning.errors import MediaError
from asva_lightning.media.container import Source, source_name
from asva_lightning.media.crop import crop_and_resize
from asva_lightning.media.decode import read_frames
from asva_lightning.media.probe import probe

# Left to Pillow: FFmpeg fills up what is missing of a damaged picture.
_STILL_CODECS = {"apng", "bmp", "fits", "gif", "mjpeg", "pfm", "png", "tiff", "webp"}
# What Pillow's decoders raise on damaged files, besides the documented OSError.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)

QUARTER = 64
"""Floats above 1 count as levels of 0 to 255 where the brightest reaches a quarter of them."""


def read_picture(path: Source, height: int, width: int) -> Tensor:
    """Read a picture file as it is meant to be seen, cropped and resized.

    The camera's orientation is honoured, transparent parts become white, grey becomes RGB, and of an animated picture
    the first frame is taken. Grey of 32 bits is taken as 0 to 255 or 0 to 65535, floats as 0 to 1 or 0 to 255, where
    their values leave no doubt.

    Args:
        path: A file that Pillow can read (JPEG, PNG, WebP, ...), as a path or binary file, or a video, whose first
            frame is taken.
        height: Wanted height in pixels.
        width: Wanted width in pixels.

    Returns:
        Pixels ``(3, height, width)``, uint8.

    Raises:
        MediaError: If the file cannot be read as a picture, or its values have no known range.
        ConfigurationError: If a size is below one pixel.
    """
    return crop_and_resize(read_whole_picture(path), height, width)


def read_whole_picture(path: Source) -> Tensor:
    """All of a picture ``(3, h, w)``, uint8, at its own size; see :func:`read_picture`."""
    try:
        return _pillow_picture(path)
    except MediaError:
        first = _first_frame(path)
        if first is None:
            raise
        return first


def _first_frame(path: Source) -> Tensor | None:
    """The first frame of a video as it is displayed; ``None`` if the file is no video."""
    if not isinstance(path, str | Path):
        path.seek(0)
    try:
        info = probe(path)
        moves = info.has_picture and info.picture_codec not in _STILL_CODECS
        return read_frames(path, [info.picture_start], info.height, info.width)[:, 0] if moves else None
    except MediaError:
        return None


def _pillow_picture(path: Source) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice that size is an error
            with Image.open(path) as picture:
                rgb = np.array(_as_rgb(ImageOps.exif_transpose(picture)))
    except _PILLOW_ERRORS as error:
        raise MediaError(source_name(path), f"cannot be read as a picture: {error}.") from error
    return torch.from_numpy(rgb).permute(2, 0, 1)


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255 instead of scaling it
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):  # Pillow would clip these as well
        picture = Image.fromarray(_in_bytes(np.asarray(picture)))
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def _in_bytes(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values of 32 bits, whose range no file tells, as 0 to 255.

    Raises:
        ValueError: If their range is not clear.
    """
    low, high = float(grey.min()), float(grey.max())
    if np.issubdtype(grey.dtype, np.integer):
        scale = 1.0 if high <= 255 else 255 / 65535
        clear = low >= 0 and high <= 65535
    else:
        scale = 255.0 if high <= 1 else 1.0
        # A radiance of 3, say, is neither: as one of 255 levels it would be black, as white it would lose its shape.
        clear = low >= 0 and (high <= 1 or QUARTER <= high <= 255)
    if not clear:  # also where a value is no number
        raise ValueError(
            f"its grey values go from {low:g} to {high:g}, which is no known range. Save it with 8 or 16 bits"
        )
    return (grey * scale).round().astype(np.uint8)
