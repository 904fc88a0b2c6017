"""KID: FID's features under a distance that few clips do not bias."""

from torch import Tensor

from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.kernel_distance import kernel_distance


class KID(FID):
    """Kernel Inception distance of the frames from the second on, over all ranks and per class.

    :func:`~asva_lightning.metrics.kernel_distance.kernel_distance` of the features of
    :class:`~asva_lightning.metrics.fid.FID`, with the same arguments.
    """

    plot_lower_bound = None  # type: ignore[assignment]  # an unbiased estimate may fall below zero

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare features ``(N, d)`` and ``(M, d)``."""
        return kernel_distance(generated, reference)
