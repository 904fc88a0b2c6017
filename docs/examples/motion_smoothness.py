"""Motion smoothness: do changes go on, or does each frame take back what the frame before it did?

An example of a measure of one's own; docs/extend.md tells how it is used.
"""

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.motion import FLOOR


def motion_smoothness(pixels: Tensor) -> float:
    """``1 - mean |d[f + 1] - d[f]| / mean (|d[f + 1]| + |d[f]|)`` with ``d[f] = pixels[f + 1] - pixels[f]``.

    1: every pixel goes on changing at its pace. 0: every change is taken back at once, or stops at once, as when a clip
    flickers. True motion is somewhere between, so compare with the value of true clips, at the same frame rate.

    Args:
        pixels: RGB frames ``(3, f, h, w)``, uint8.

    Returns:
        0 to 1; nan where the clip does not move.

    Raises:
        ConfigurationError: If there are fewer than three frames.
    """
    if pixels.shape[1] < 3:
        raise ConfigurationError(f"Smoothness needs 3 frames, not {pixels.shape[1]}. Set --format.frames to 3 or more.")
    change = pixels.float().diff(dim=1) / 255
    before, after = change[:, :-1], change[:, 1:]
    moved = (before.abs() + after.abs()).mean()
    if moved < FLOOR:
        return torch.nan
    return float(1 - (after - before).abs().mean() / moved)


class MotionSmoothness:
    """:func:`motion_smoothness` as a measure of ``evaluate`` and of the callback SyncScores."""

    higher_is_better = None
    """Neither way: a clip can be smoother than the truth."""

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip.

        Args:
            clip: Its frames, sound and text, and the true frames where there are some.
            format: Its frame rate, size and sample rate.

        Returns:
            Its value; nan leaves it out of the mean, and it is counted.
        """
        return motion_smoothness(clip.pixels)
