"""SSIM: how alike the structure of a sample and of the truth is."""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.reference import ReferenceMetric, of_made_frames, require_same_shape

WINDOW = 11
"""Pixels across the Gaussian window; frames must have as many in height and width."""


def ssim(pixels: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity of the frames from the second on.

    Mean over these frames of Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity"
    (IEEE TIP 2004), with a Gaussian window of 1.5 pixels, mirrored at the border, and the mean over the three colours.
    The first frame is given to the model and does not count. Like PSNR it punishes motion that is good but otherwise
    than the truth's.

    Args:
        pixels: Samples ``(b, 3, f, h, w)``, uint8.
        reference: The truth, of the same shape.

    Returns:
        One value per clip ``(b,)`` in -1..1; 1 where the two are equal.

    Raises:
        ConfigurationError: If the two differ in shape, have fewer than two frames, are too small for the window, or are
            not of uint8.
    """
    require_same_shape(pixels, reference, "SSIM")
    if min(pixels.shape[-2:]) < WINDOW:
        raise ConfigurationError(
            f"SSIM looks through windows of {WINDOW} pixels; frames of {pixels.shape[-2]}x{pixels.shape[-1]} are too "
            "small. Give larger clips, or leave this measure out."
        )
    return of_made_frames(_of_clip, pixels, reference)


def _of_clip(sample: Tensor, truth: Tensor) -> Tensor:
    """Mean over frames ``(3, f, h, w)``."""
    # One frame at a time is twice as fast as all together, whose intermediate pictures do not fit into a cache. Colours
    # beside each other in memory make the window, which is one for each colour, twice as fast again.
    near = [clip.transpose(0, 1).contiguous(memory_format=torch.channels_last).split(1) for clip in (sample, truth)]
    of_frames = [
        structural_similarity_index_measure(frame, true_frame, sigma=1.5, data_range=255.0)
        for frame, true_frame in zip(*near)
    ]
    return torch.stack([similarity for similarity in of_frames if isinstance(similarity, Tensor)]).mean()


class SSIM(ReferenceMetric):
    """Mean of :func:`ssim` over clips."""

    higher_is_better = True
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def values(self, pixels: Tensor, reference: Tensor) -> Tensor:
        """One value per clip ``(b,)``; see :func:`ssim`."""
        return ssim(pixels, reference)
