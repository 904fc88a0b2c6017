"""MotionCorrelation: does a sample move when the truth moves?"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.analysis import AnalysedPicture
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.mean_over_clips import MeanOverClips
from asva_lightning.metrics.pearson import is_constant, pearson


def motion_correlation(pixels: Tensor, reference: Tensor) -> Tensor:
    """Pearson's correlation of the motion curves of a sample and of the truth for the same sound.

    ``r = pearson(motion_curve(sample), motion_curve(truth))``. A sample whose curve is constant (a still picture, say)
    has 0. Where the truth's is constant there is nothing to follow, and the value is nan.

    It depends on the frame rate, and it punishes a sample that moves at times of its own, even where the sound would
    allow them.

    Args:
        pixels: Samples ``(b, 3, f, h, w)``, uint8.
        reference: The truth ``(b, 3, f, h, w)``, uint8, with the same number of clips and frames.

    Returns:
        One value per clip ``(b,)`` in -1..1, or nan.

    Raises:
        ConfigurationError: If the two differ in their number of clips or frames, or hold something else than pixels.
    """
    return motion_correlation_of(AnalysedPicture(pixels), AnalysedPicture(reference))


def motion_correlation_of(picture: AnalysedPicture, true_picture: AnalysedPicture) -> Tensor:
    """As :func:`motion_correlation`, of pictures whose motion others may have asked for already."""
    sample, truth = picture.motion, true_picture.motion
    if sample.shape != truth.shape:
        raise ConfigurationError(
            f"MotionCorrelation compares clips frame by frame, but the samples are {tuple(picture.pixels.shape)} and "
            f"the truth is {tuple(true_picture.pixels.shape)}. Read both with the same clip format."
        )
    return pearson(sample, truth).masked_fill(is_constant(truth), torch.nan)


class MotionCorrelation(MeanOverClips):
    """Mean of :func:`motion_correlation` over clips; those whose truth does not move are left out and counted."""

    higher_is_better = True
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def update(self, pixels: Tensor, reference: Tensor, classes: Sequence[int] | Tensor | None = None) -> None:
        """Judge a batch and take in its values; for the arguments see :func:`motion_correlation` and :meth:`add`."""
        self.add(motion_correlation(pixels, reference), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip, with its reference.
            format: Not used: both curves have the same frame rate.

        Returns:
            The clip's value.

        Raises:
            ConfigurationError: If the clip has no reference.
        """
        return float(motion_correlation_of(clip.picture, clip.true_picture("MotionCorrelation")))
