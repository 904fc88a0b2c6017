"""Distances between sets of features, against NumPy and SciPy in double precision and torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.metrics import kernel_distance as kernel_module
from asva_lightning.metrics.fid import fid
from asva_lightning.metrics.frechet import frechet_distance
from asva_lightning.metrics.fvd import fvd
from asva_lightning.metrics.kernel_distance import kernel_distance
from asva_lightning.metrics.kid import kid
from asva_lightning.metrics.kvd import kvd


def sets(rows, other_rows, width, seed=0):
    """Two sets of correlated features, the second moved and stretched."""
    random = np.random.default_rng(seed)
    mix = random.normal(size=(width, width))
    return random.normal(size=(rows, width)) @ mix, 1.3 * random.normal(size=(other_rows, width)) @ mix + 0.5


def frechet_by_scipy(first, second):
    covariances = [np.cov(features, rowvar=False) for features in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1])
    return ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(sum(covariances) - 2 * root.real)


def kernel_by_numpy(first, second):
    def mean(a, b, same):
        values = [(x @ y / len(x) + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if not same or i != j]
        return np.mean(values)

    return mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)


@pytest.mark.parametrize(("rows", "others"), [(60, 40), (7, 40), (40, 7), (2, 2)])
def test_frechet_is_its_formula(rows, others):
    first, second = sets(rows, others, width=12)
    ours, theirs = frechet_distance(torch.tensor(first), torch.tensor(second)), frechet_by_scipy(first, second)
    # SciPy's root of a singular product is exact to the square root of rounding only.
    assert ours == pytest.approx(theirs, rel=1e-9 if min(rows, others) > 12 else 1e-5)


def test_frechet_of_few_rows_is_exact():
    """Two rows each: each covariance has one direction, and the root's trace is |x.y| of the two."""
    first, second = sets(2, 2, width=5)
    x, y = ((features[0] - features[1]) / np.sqrt(2) for features in (first, second))
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected = means + x @ x + y @ y - 2 * abs(x @ y)
    assert frechet_distance(torch.tensor(first), torch.tensor(second)) == pytest.approx(expected, rel=1e-12)


def test_frechet_is_that_of_torchmetrics():
    first, second = (torch.tensor(features) for features in sets(50, 30, width=8))
    network = nn.Identity()
    network.num_features = 8
    theirs = FrechetInceptionDistance(feature=network)
    theirs.update(second, real=True)
    theirs.update(first, real=False)
    assert frechet_distance(first, second) == pytest.approx(float(theirs.compute()), rel=1e-8)


@pytest.mark.parametrize(
    ("measure", "formula"),
    [(fid, frechet_by_scipy), (fvd, frechet_by_scipy), (kid, kernel_by_numpy), (kvd, kernel_by_numpy)],
)
def test_every_measure_of_sets_is_its_formula_of_features(measure, formula):
    first, second = sets(30, 20, width=6)
    assert measure(torch.tensor(first), torch.tensor(second)) == pytest.approx(formula(first, second), rel=1e-9)


def test_kernel_distance_is_its_formula_also_in_parts(monkeypatch):
    first, second = sets(9, 6, width=4)
    expected = kernel_by_numpy(first, second)
    whole = kernel_distance(torch.tensor(first), torch.tensor(second))
    monkeypatch.setattr(kernel_module, "ROWS_AT_ONCE", 4)
    parts = kernel_distance(torch.tensor(first), torch.tensor(second))
    assert whole == pytest.approx(expected, rel=1e-12)
    assert parts == pytest.approx(expected, rel=1e-12)


def test_kernel_distance_of_sets_of_one_size_is_that_of_torchmetrics():
    first, second = (torch.tensor(features) for features in sets(20, 20, width=6))
    assert kernel_distance(first, second) == pytest.approx(float(poly_mmd(first, second)), rel=1e-10)


def test_equal_sets_have_no_frechet_distance_and_small_sets_bias_it_but_not_the_kernel_distance():
    first, _ = sets(30, 30, width=16)
    assert frechet_distance(torch.tensor(first), torch.tensor(first)) == pytest.approx(0, abs=1e-9)
    draws = [torch.randn(2, 12, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(200)]
    frechet = np.array([frechet_distance(*draw) for draw in draws])
    kernel = np.array([kernel_distance(*draw) for draw in draws])
    assert frechet.min() > 5, "two draws of one distribution, and yet far apart"
    assert abs(kernel.mean()) < 3 * kernel.std() / np.sqrt(len(kernel))


@pytest.mark.parametrize("distance", [fid, fvd, kid, kvd])
def test_bad_sets_are_refused(distance):
    good = torch.randn(4, 3)
    with pytest.raises(ConfigurationError, match=r"at least 2 rows of features of each, not 1 and 4: one clip"):
        distance(good[:1], good)
    with pytest.raises(ConfigurationError, match=r"features \(N, d\) and \(M, d\), not \(4, 2\) and \(4, 3\)"):
        distance(good[:, :2], good)
    bad = good.clone()
    bad[1, 2] = torch.nan
    with pytest.raises(WeightsError, match=r"1 of 12 features of the true clips are NaN .* in float32"):
        distance(good, bad)
