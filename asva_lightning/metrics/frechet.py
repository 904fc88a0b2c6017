"""The Frechet distance between two sets of features, each taken as a Gaussian."""

import torch
from torch import Tensor

from asva_lightning.metrics.set_measure import require_sets


def frechet_distance(generated: Tensor, reference: Tensor) -> float:
    """Squared Frechet distance between the Gaussians of two sets.

    ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`` with the sets' means and (unbiased) covariances (Dowson and Landau,
    "The Frechet distance between multivariate normal distributions", 1982; as a measure, Heusel et al., "GANs Trained
    by a Two Time-Scale Update Rule", NeurIPS 2017).

    With ``C1 = A'A`` and ``C2 = B'B``, where A and B are the centred features over the root of their number less one,
    the trace of the root is the sum of the singular values of ``A B'``. That needs no root of a matrix, stays real
    when there are fewer rows than features, and is as small as the sets are: a class of 30 clips takes milliseconds.

    The estimate is biased upwards, the more the fewer the rows: compare it at the same number of clips only.

    Args:
        generated: ``(N, d)``, N >= 2.
        reference: ``(M, d)``, M >= 2.

    Returns:
        The distance, computed in double precision.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    require_sets(generated, reference)
    first, second = generated.double(), reference.double()
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    root, other = _root(first), _root(second)
    spreads = root.square().sum() + other.square().sum()
    shared = torch.linalg.svdvals(root @ other.T).sum()
    return max(0.0, float(means + spreads - 2 * shared))  # rounding may leave the distance of equal sets below zero


def _root(features: Tensor) -> Tensor:
    """A matrix ``(min(N, d), d)`` whose product with itself is the covariance of ``(N, d)``."""
    centred = (features - features.mean(dim=0)) / (len(features) - 1) ** 0.5
    rows, width = centred.shape
    return torch.linalg.qr(centred, mode="r").R if rows > width else centred
