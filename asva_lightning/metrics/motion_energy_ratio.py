"""MotionEnergyRatio: does a sample move as much as the truth?"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.analysis import AnalysedPicture
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.mean_over_clips import MeanOverClips
from asva_lightning.metrics.motion import FLOOR


def motion_energy_ratio(pixels: Tensor, reference: Tensor) -> Tensor:
    """Mean motion of a sample over that of the truth.

    ``ratio = mean(motion_curve(sample)) / mean(motion_curve(truth))``: 1 is as much, 0 is a still picture. Where the
    truth moves less than a video codec's noise there is nothing to compare with, and the value is nan. It says nothing
    of when the sample moves.

    Args:
        pixels: Samples ``(b, 3, f, h, w)``, uint8.
        reference: The truth ``(b, 3, f, h, w)``, uint8.

    Returns:
        One value per clip ``(b,)``, 0 or more, or nan.

    Raises:
        ConfigurationError: If these are no clips of two or more frames, or hold something else than pixels.
    """
    return _ratio(AnalysedPicture(pixels), AnalysedPicture(reference))


def _ratio(picture: AnalysedPicture, true_picture: AnalysedPicture) -> Tensor:
    energy, truth = picture.motion.mean(dim=1), true_picture.motion.mean(dim=1)
    return torch.where(truth < FLOOR, torch.nan, energy / truth)


class MotionEnergyRatio(MeanOverClips):
    """Mean of :func:`motion_energy_ratio` over clips; those whose truth does not move are left out and counted."""

    higher_is_better = None
    plot_lower_bound = 0.0

    def update(self, pixels: Tensor, reference: Tensor, classes: Sequence[int] | Tensor | None = None) -> None:
        """Judge a batch and take in its values; for the arguments see :func:`motion_energy_ratio` and :meth:`add`."""
        self.add(motion_energy_ratio(pixels, reference), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip, with its reference.
            format: Not used: both have the same frame rate.

        Returns:
            The clip's value.

        Raises:
            ConfigurationError: If the clip has no reference.
        """
        return float(_ratio(clip.picture, clip.true_picture("MotionEnergyRatio")))
