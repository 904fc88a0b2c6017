"""KID: FID's features under a distance that few clips do not bias."""

from torch import Tensor

from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.kernel_distance import kernel_distance


def kid(generated: Tensor, reference: Tensor) -> float:
    """Kernel Inception distance of two sets of frames.

    :func:`~asva_lightning.metrics.kernel_distance.kernel_distance` of features that Inception-v3 makes of frames;
    Binkowski et al., "Demystifying MMD GANs", ICLR 2018.

    Args:
        generated: Features of generated frames, ``(N, d)``, N >= 2; see
            :func:`~asva_lightning.metrics.fid.picture_features`.
        reference: Features of true frames, ``(M, d)``, M >= 2; N and M may differ.

    Returns:
        The distance, without bias and so sometimes below 0; papers often give it x 1000.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    return kernel_distance(generated, reference)


class KID(FID):
    """:func:`kid` of the frames from the second on, over all ranks and per class.

    Features and arguments are those of :class:`~asva_lightning.metrics.fid.FID`.
    """

    plot_lower_bound = None  # type: ignore[assignment]  # an unbiased estimate may fall below zero

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare features ``(N, d)`` and ``(M, d)``; see :func:`kid`."""
        return kid(generated, reference)
