"""Where a picture of any shape lies in a clip's frame, and the way back."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.container import Source
from asva_lightning.media.crop import crop_and_resize
from asva_lightning.media.picture import read_whole_picture

LARGEST_SIDE = 4096
"""Videos are not scaled back to more pixels than this."""

Fit = Literal["crop", "pad"]
"""``crop`` fills the frame with the largest centred part; ``pad`` shows all of the picture and draws its edges out."""


@dataclass(frozen=True)
class PlacedPicture:
    """A picture in a clip's frame.

    Args:
        pixels: The frame, ``(3, h, w)`` uint8.
        height: Height of what is seen of the picture, in its own pixels.
        width: Width of what is seen of it.
        box: Where that lies in the frame: top, left, height, width.
    """

    pixels: Tensor
    height: int
    width: int
    box: tuple[int, int, int, int]


def place_picture(path: Source, height: int, width: int, fit: Fit = "crop") -> PlacedPicture:
    """Read a picture, or the first frame of a video, into a frame. It is never stretched.

    Args:
        path: The file, see :func:`read_picture`.
        height: Height of the frame.
        width: Width of the frame.
        fit: How a picture of another shape is made to fit.

    Raises:
        MediaError: If the file cannot be read.
        ConfigurationError: If a size is below one pixel.
    """
    return place(read_whole_picture(path), height, width, fit)


def place(picture: Tensor, height: int, width: int, fit: Fit = "crop") -> PlacedPicture:
    """Lay a picture ``(3, h, w)``, uint8, into a frame; see :func:`place_picture`."""
    if height < 1 or width < 1:
        raise ConfigurationError(f"A picture needs height and width >= 1, not {height} x {width}.")
    rows, columns = picture.shape[-2:]
    scale = max(rows / height, columns / width) if fit == "pad" else min(rows / height, columns / width)
    if fit == "crop":
        seen = round(height * scale), round(width * scale)
        return PlacedPicture(
            crop_and_resize(picture, height, width), max(1, seen[0]), max(1, seen[1]), (0, 0, height, width)
        )
    inner = max(1, min(height, round(rows / scale))), max(1, min(width, round(columns / scale)))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    small = functional.interpolate(picture[None], inner, mode="bilinear", align_corners=False, antialias=True)
    around = (left, width - inner[1] - left, top, height - inner[0] - top)
    frame = functional.pad(small.float(), around, mode="replicate")[0].to(torch.uint8)
    return PlacedPicture(frame, rows, columns, (top, left, *inner))


def restore(pixels: Tensor, placed: PlacedPicture) -> Tensor:
    """Scale a video back to the size of what was seen of its picture, without drawn-out edges.

    Args:
        pixels: ``(3, f, h, w)``, uint8, of the frame's size.
        placed: How the picture lies in the frame.

    Returns:
        ``(3, f, height, width)``, uint8; scaled down to :data:`LARGEST_SIDE` where it would be larger.
    """
    top, left, rows, columns = placed.box
    shrink = min(1.0, LARGEST_SIDE / max(placed.height, placed.width))
    size = max(1, round(placed.height * shrink)), max(1, round(placed.width * shrink))
    inner = pixels[:, :, top : top + rows, left : left + columns]
    frames = inner.transpose(0, 1).float()
    frames = functional.interpolate(frames, size, mode="bicubic", align_corners=False, antialias=True)
    return frames.transpose(0, 1).round().clamp(0, 255).to(torch.uint8)
