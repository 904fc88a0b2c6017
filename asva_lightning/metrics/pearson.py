"""Correlation of two curves per clip."""

from torch import Tensor


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation of two curves; 0 where either of them is constant.

    ``r = sum(x y) / sqrt(sum(x^2) sum(y^2))`` with the means of ``x`` and ``y`` taken off first.

    Args:
        first: Curves ``(..., n)``.
        second: Curves ``(..., n)``.

    Returns:
        One value per clip ``(...)`` in -1..1.
    """
    x = first.double() - first.double().mean(dim=-1, keepdim=True)
    y = second.double() - second.double().mean(dim=-1, keepdim=True)
    flat = is_constant(first) | is_constant(second)
    norm = x.norm(dim=-1) * y.norm(dim=-1)
    correlation = (x * y).sum(dim=-1) / norm.masked_fill(flat, 1.0)
    return correlation.masked_fill(flat, 0.0).clamp(-1, 1).float()


def is_constant(curve: Tensor) -> Tensor:
    """Whether a curve has one value throughout, up to rounding.

    Args:
        curve: Curves ``(..., n)``.

    Returns:
        One bool per clip ``(...)``.
    """
    spread = curve.amax(dim=-1) - curve.amin(dim=-1)
    return spread <= 1e-6 * curve.abs().amax(dim=-1)
