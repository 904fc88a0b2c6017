"""How much a clip moves from frame to frame, and when it moves most."""

import torch
from scipy.signal import find_peaks
from torch import Tensor

from asva_lightning.errors import ConfigurationError

PROMINENCE = 0.3
SPACING = 0.3
FLOOR = 5e-4
"""An eighth of one grey level of 255: less is the noise of a video codec."""


def motion_curve(pixels: Tensor) -> Tensor:
    """Mean absolute change from frame to frame.

    ``curve[f] = mean over colours and pixels of |pixels[f + 1] - pixels[f]|``

    Args:
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8, or floating point in 0..1.

    Returns:
        ``(b, f - 1)`` float32 in 0..1. It depends on the frame rate: at a higher one less happens in a step.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` with at least two frames, or holds anything else, such
            as NaN or floats of 0..255.
    """
    require_clips(pixels, floats=True)
    scale = 1.0 if pixels.is_floating_point() else 1 / 255
    # One step at a time: a batch of long clips in float would not fit.
    steps = [
        (pixels[:, :, frame + 1].float() - pixels[:, :, frame].float()).abs().mean(dim=(1, 2, 3))
        for frame in range(pixels.shape[2] - 1)
    ]
    return torch.stack(steps, dim=1) * scale


def motion_peaks(
    curve: Tensor, fps: float, prominence: float = PROMINENCE, spacing: float = SPACING, floor: float = FLOOR
) -> list[Tensor]:
    """When a clip moves most: the local maxima of a motion curve that stand out.

    A maximum stands out when it rises above the higher of its two neighbouring valleys (its prominence, as in
    topography) by at least ``prominence`` times the range of the clip's curve, and by at least ``floor``. The first
    and the last step may be maxima too. Of those, in order of time, each that comes less than ``spacing`` after the
    last one kept is left out: it is the way back of the same gesture, a stick that is raised again, a light that fades.

    The change between frame ``f`` and frame ``f + 1`` happened at an unknown instant between them, so its time is the
    middle, ``(f + 0.5) / fps``: half a frame after the one, half a frame before the other.

    Args:
        curve: Motion at each step, ``(b, f - 1)``, in any unit.
        fps: Frames a second.
        prominence: Least prominence, as a share of the range of the clip's curve.
        spacing: Least time between two peaks in seconds; 0 keeps them all.
        floor: Least prominence in the unit of the curve.

    Returns:
        One sorted tensor of times in seconds for each clip (float64, on the CPU).
    """
    return [_spaced(_peaks(row, fps, prominence, floor), spacing) for row in curve.detach().double().cpu()]


def require_clips(pixels: Tensor, floats: bool = False) -> None:
    """Check that pixels are clips in which something can move.

    Args:
        pixels: What should be ``(b, 3, f, h, w)``, uint8, with at least two frames.
        floats: Whether it may also be floating point in 0..1.

    Raises:
        ConfigurationError: If it is not.
    """
    if pixels.ndim != 5 or pixels.shape[1] != 3 or pixels.shape[2] < 2:
        raise ConfigurationError(
            f"Motion needs clips (b, 3, f, h, w) of at least two frames, not {tuple(pixels.shape)}. "
            "Add the batch dimension, or set --data.format.frames to 2 or more."
        )
    if pixels.dtype != torch.uint8 and not (floats and pixels.is_floating_point()):
        wanted = "uint8, or floating point in 0..1" if floats else "uint8"
        raise ConfigurationError(f"Motion needs pixels of {wanted}, not {pixels.dtype}. Give frames as they are read.")
    # Written so that NaN, of which every comparison is false, does not pass.
    if pixels.is_floating_point() and pixels.numel() and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ConfigurationError(
            f"Motion needs floating point pixels in 0..1, not from {float(pixels.min()):g} to {float(pixels.max()):g}. "
            "Divide values of 0..255 by 255; NaN comes from the model that made them."
        )


def _peaks(row: Tensor, fps: float, prominence: float, floor: float) -> Tensor:
    lowest = float(row.min())
    least = max(prominence * (float(row.max()) - lowest), floor)
    # The lowest value at both ends lets the first and the last step be maxima.
    padded = torch.nn.functional.pad(row, (1, 1), value=lowest).numpy()
    found, _ = find_peaks(padded, prominence=least)
    return (torch.from_numpy(found).double() - 0.5) / fps


def _spaced(times: Tensor, spacing: float) -> Tensor:
    kept: list[float] = []
    for time in times.tolist():
        if not kept or time - kept[-1] >= spacing:
            kept.append(time)
    return torch.tensor(kept, dtype=torch.float64)
