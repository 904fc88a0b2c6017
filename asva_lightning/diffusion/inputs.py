"""What users pass to the pipeline, made into tensors: pictures and sounds in any common form."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from asva_lightning.errors import ConfigurationError
from asva_lightning.media import crop_and_resize, read_picture, read_sound

Picture = str | Path | PIL.Image.Image | NDArray[Any] | Tensor
"""A file, a PIL image, an array ``(h, w, 3)`` or a tensor ``(3, h, w)``; uint8, or floats in [0, 1]."""

Sound = str | Path | NDArray[Any] | Tensor
"""A file, or samples ``(samples,)`` in [-1, 1]."""


def equally_many(images: Any, sounds: Any, texts: Any) -> list[list[Any]]:
    """Lists of equal length, of each one thing or a list of them; one of a kind serves all of the others.

    Raises:
        ConfigurationError: If there are several of two kinds, but not equally many.
    """
    lists = [list(given) if isinstance(given, list | tuple) else [given] for given in (images, sounds, texts)]
    length = max(len(part) for part in lists)
    if any(len(part) not in (1, length) for part in lists):
        counts = ", ".join(str(len(part)) for part in lists)
        raise ConfigurationError(f"There are {counts} images, sounds and texts; give equally many, or one for all.")
    return [part * length if len(part) == 1 else part for part in lists]


def pictures_of(images: Sequence[Picture], height: int, width: int) -> Tensor:
    """Pictures cropped to the shape of a clip, never stretched: ``(b, 3, height, width)`` uint8.

    Raises:
        ConfigurationError: If an array has the wrong shape or values.
        MediaError: If a file cannot be read.
    """
    return torch.stack([_picture(image, height, width) for image in images])


def waveforms_of(sounds: Sequence[Sound], given_rate: int | None, sample_rate: int, samples: int) -> Tensor:
    """Sounds as ``(b, samples)``: what is longer is cut, what is shorter is followed by silence.

    Args:
        sounds: Files or samples.
        given_rate: Samples a second of those given as samples; ``sample_rate`` if not given.
        sample_rate: Wanted samples a second.
        samples: Wanted length.

    Raises:
        ConfigurationError: If samples are not ``(samples,)``, finite and at least one.
        MediaError: If a file cannot be read or has no sound.
    """
    made = [_waveform(sound, given_rate or sample_rate, sample_rate, samples / sample_rate) for sound in sounds]
    return torch.stack([pad(waveform[:samples], (0, max(0, samples - len(waveform)))) for waveform in made])


def _picture(image: Picture, height: int, width: int) -> Tensor:
    if isinstance(image, str | Path):
        return read_picture(image, height, width)
    if isinstance(image, PIL.Image.Image):
        image = np.asarray(image.convert("RGB"))
    pixels = torch.from_numpy(np.array(image)).movedim(-1, 0) if isinstance(image, np.ndarray) else image
    if pixels.ndim != 3 or pixels.shape[0] != 3 or 0 in pixels.shape:
        raise ConfigurationError(
            f"A picture must be (3, h, w) as a tensor or (h, w, 3) as an array, not {tuple(image.shape)}."
        )
    if pixels.is_floating_point():
        if not pixels.isfinite().all() or pixels.min() < 0 or pixels.max() > 1:
            raise ConfigurationError("A picture of floats must lie in [0, 1]; pass uint8 for 0 to 255.")
        pixels = (pixels * 255).round()
    return crop_and_resize(pixels.to(torch.uint8).cpu(), height, width)


def _waveform(sound: Sound, given_rate: int, sample_rate: int, seconds: float) -> Tensor:
    if isinstance(sound, str | Path):
        return read_sound(sound, sample_rate, seconds=seconds)
    values = torch.as_tensor(sound).detach().cpu().float()
    if values.ndim != 1 or not len(values) or not values.isfinite().all():
        raise ConfigurationError(
            f"A sound must be (samples,), mono, finite and not empty, not {tuple(values.shape)}. "
            "Mix several channels down first, or give the file."
        )
    if given_rate != sample_rate:
        return torch.from_numpy(soxr.resample(values.numpy(), given_rate, sample_rate))
    return values
