"""KVD: FVD's features under a distance that few clips do not bias."""

from torch import Tensor

from asva_lightning.metrics.fvd import FVD
from asva_lightning.metrics.kernel_distance import kernel_distance


def kvd(generated: Tensor, reference: Tensor) -> float:
    """Kernel video distance of two sets of clips.

    :func:`~asva_lightning.metrics.kernel_distance.kernel_distance` of features that I3D makes of clips;
    Unterthiner et al., "Towards Accurate Generative Models of Video", 2018.

    Args:
        generated: Features of generated clips, ``(N, d)``, N >= 2; see
            :func:`~asva_lightning.metrics.fvd.video_features`.
        reference: Features of true clips, ``(M, d)``, M >= 2; N and M may differ.

    Returns:
        The distance, without bias and so sometimes below 0; papers often give it x 1000.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    return kernel_distance(generated, reference)


class KVD(FVD):
    """:func:`kvd` over all ranks and per class.

    Features and arguments are those of :class:`~asva_lightning.metrics.fvd.FVD`.
    """

    plot_lower_bound = None  # type: ignore[assignment]  # an unbiased estimate may fall below zero

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare features ``(N, d)`` and ``(M, d)``; see :func:`kvd`."""
        return kvd(generated, reference)
