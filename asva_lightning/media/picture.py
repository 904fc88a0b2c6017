"""Still pictures of any kind."""

import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from asva_lightning.errors import MediaError
from asva_lightning.media.container import Source, source_name
from asva_lightning.media.crop import crop_and_resize
from asva_lightning.media.decode import read_frames
from asva_lightning.media.probe import probe

# Left to Pillow: FFmpeg fills up what is missing of a damaged picture.
_STILL_CODECS = {"apng", "bmp", "gif", "mjpeg", "png", "tiff", "webp"}
# What Pillow's decoders raise on damaged files, besides the documented OSError.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)


def read_picture(path: Source, height: int, width: int) -> Tensor:
    """Read a picture file as it is meant to be seen, cropped and resized.

    The camera's orientation is honoured, transparent parts become white, grey becomes RGB, and of an animated picture
    the first frame is taken.

    Args:
        path: A file that Pillow can read (JPEG, PNG, WebP, ...), as a path or binary file, or a video, whose first
            frame is taken.
        height: Wanted height in pixels.
        width: Wanted width in pixels.

    Returns:
        Pixels ``(3, height, width)``, uint8.

    Raises:
        MediaError: If the file cannot be read as a picture.
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
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
