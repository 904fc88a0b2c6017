"""The kernel distance (MMD) between two sets of features."""

from torch import Tensor

from asva_lightning.metrics.set_measure import require_sets

ROWS_AT_ONCE = 1024


def kernel_distance(generated: Tensor, reference: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy with a cubic kernel.

    ``mean k(x, x') + mean k(y, y') - 2 mean k(x, y)`` over all pairs of different rows, with
    ``k(x, y) = (x.y / d + 1)^3`` (Gretton et al., "A Kernel Two-Sample Test", JMLR 2012; as a measure, Binkowski et
    al., "Demystifying MMD GANs", ICLR 2018). There it is averaged over draws of 1000 rows; all pairs at once have the
    same expectation and no chance in them.

    It is unbiased where the rows are independent, and may fall below zero. Frames of one clip are alike, so that a set
    of few clips of many frames looks narrower than it is.

    Args:
        generated: ``(N, d)``, N >= 2.
        reference: ``(M, d)``, M >= 2; N and M may differ.

    Returns:
        The distance, computed in double precision. Papers often give it x 1000.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    require_sets(generated, reference)
    first, second = generated.double(), reference.double()
    return _within(first) + _within(second) - 2 * _sum(first, second) / (len(first) * len(second))


def _within(features: Tensor) -> float:
    """Mean of the kernel over the pairs of different rows."""
    rows, width = features.shape
    own = float((features.square().sum(dim=1) / width + 1).pow(3).sum())
    return (_sum(features, features) - own) / (rows * (rows - 1))


def _sum(first: Tensor, second: Tensor) -> float:
    """Sum of the kernel over all pairs; some rows at a time, because all pairs of a large set do not fit."""
    width = first.shape[1]
    return sum(float((rows @ second.T / width + 1).pow(3).sum()) for rows in first.split(ROWS_AT_ONCE))
