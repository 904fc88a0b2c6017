"""Colours of objects and backgrounds, chosen so that the one stands out from the other."""

import colorsys
from dataclasses import dataclass

import numpy as np

from asva_lightning.data.synthsync.shapes import Array

Colour = tuple[float, float, float]

DARK: Colour = (0.06, 0.06, 0.09)
LIGHT: Colour = (0.97, 0.96, 0.92)
FLAME: Colour = (1.0, 0.9, 0.45)
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Palette:
    """The colours of one object."""

    main: Colour
    second: Colour


def coloured(hue: float, saturation: float, luma: float) -> Colour:
    """Make the colour of a hue (in turns) that has this luma, by mixing it with black or white."""
    pure = np.array(colorsys.hsv_to_rgb(hue % 1, saturation, 1))
    own = float(_LUMA @ pure)
    mixed = pure * luma / own if luma < own else pure + (1 - pure) * (luma - own) / (1 - own)
    red, green, blue = mixed.tolist()
    return red, green, blue


def palette(rng: np.random.Generator, night: bool) -> Palette:
    """Draw the colours of an object: bright ones before a dark background, deep ones before a light one."""
    hue = rng.uniform()
    main = coloured(hue, rng.uniform(0.65, 0.95), rng.uniform(0.55, 0.72) if night else rng.uniform(0.22, 0.42))
    # The second colour is never bright, for some parts in it light up.
    second = coloured(hue + rng.uniform(0.25, 0.75), rng.uniform(0.5, 0.9), rng.uniform(0.36, 0.46))
    return Palette(main, second)


def background(rng: np.random.Generator, height: int, width: int, night: bool) -> Array:
    """Draw a still background: a gradient, stripes or soft clouds between two near colours.

    Args:
        rng: Source of chance; the number of draws does not depend on the size.
        height: Height in pixels.
        width: Width in pixels.
        night: Whether it is dark.

    Returns:
        A picture ``(3, height, width)`` in [0, 1].
    """
    luma = rng.uniform(0.1, 0.2) if night else rng.uniform(0.74, 0.86)
    hue, saturation = rng.uniform(), rng.uniform(0.05, 0.35)
    near = np.array(coloured(hue, saturation, luma - 0.04))
    far = np.array(coloured(hue + rng.uniform(-0.12, 0.12), saturation, luma + 0.04))
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    angle, waves = rng.uniform(0, 2 * np.pi), rng.uniform(2, 5)
    slope = x * np.cos(angle) + y * np.sin(angle)
    bumps = rng.uniform(-4, 4, (6, 2)), rng.uniform(0, 2 * np.pi, 6)
    clouds = sum(np.cos(np.pi * (a * x + b * y) + phase) for (a, b), phase in zip(*bumps))
    patterns = (slope / np.sqrt(2), np.clip(6 * np.sin(np.pi * waves * slope), -1, 1), np.clip(clouds / 3, -1, 1))
    mix = 0.5 + 0.5 * patterns[rng.integers(len(patterns))]
    return (near[:, None, None] + (far - near)[:, None, None] * mix).astype(np.float32)
