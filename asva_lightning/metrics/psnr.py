"""PSNR: how near the pixels of a sample are to those of the truth."""

import torch
from torch import Tensor

from asva_lightning.metrics.reference import ReferenceMetric, of_made_frames, require_same_shape


def psnr(pixels: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the frames from the second on.

    ``10 log10(255^2 / mean (sample - truth)^2)``, with the mean over all these frames, pixels and colours of a clip.
    The first frame is given to the model and does not count.

    Many motions fit a sound; a sample that moves well but otherwise than the truth has less than a blurred one.

    Args:
        pixels: Samples ``(b, 3, f, h, w)``, uint8.
        reference: The truth, of the same shape.

    Returns:
        Decibels, one value per clip ``(b,)``; infinite where the two are equal.

    Raises:
        ConfigurationError: If the two differ in shape, have fewer than two frames, or are not of uint8.
    """
    require_same_shape(pixels, reference, "PSNR")
    # Not torchmetrics' function, whose logarithm is of the default type: 0.1 dB off in a step of a training in 16 bits.
    errors = of_made_frames(lambda sample, truth: (sample - truth).square().mean(), pixels, reference)
    return 10 * (255.0**2 / errors).log10()


class PSNR(ReferenceMetric):
    """Mean of :func:`psnr` over clips; those that equal the truth are left out and counted: infinity has no mean."""

    higher_is_better = True
    plot_lower_bound = 0.0

    def values(self, pixels: Tensor, reference: Tensor) -> Tensor:
        """Decibels, one value per clip ``(b,)``; nan where a sample equals the truth. See :func:`psnr`."""
        decibels = psnr(pixels, reference)
        return decibels.masked_fill(decibels.isinf(), torch.nan)
