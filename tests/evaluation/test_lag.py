"""Lags of constructed motion curves with known answers."""

import math

import numpy as np
import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.lag import cross_correlation, motion_lags, slope

FPS = 12.0
TIMES = torch.tensor([-0.3, 0.35, 0.9, 1.45, 2.2])


def bumps(times, steps=23, width=0.06):
    """A motion curve ``(n,)`` with a bump at each time."""
    at = (torch.arange(steps) + 0.5) / FPS
    return 0.1 * sum(torch.exp(-0.5 * ((at - time) / width) ** 2) for time in times)


@pytest.mark.parametrize("lag", [-0.4, -0.13, 0.0, 0.05, 0.21, 0.4])
def test_a_known_lag_is_found_to_a_fraction_of_a_frame(lag):
    found, correlation = motion_lags(bumps(TIMES), bumps(TIMES + lag)[None], [0.4], FPS)
    assert float(found) == pytest.approx(lag, abs=0.2 / FPS)
    assert float(correlation) > 0.6


@pytest.mark.parametrize("factor", [-0.5, 0.0, 0.5, 1.0])
def test_lags_lie_on_the_line_that_was_drawn(factor):
    delays = (-0.4, -0.2, 0.2, 0.4)
    lags, _ = motion_lags(bumps(TIMES), torch.stack([bumps(TIMES + factor * delay) for delay in delays]), delays, FPS)
    assert slope(delays, lags.tolist()) == pytest.approx(factor, abs=0.06)


def test_another_event_at_the_same_distance_is_not_taken_for_the_same_event():
    """With events 0.5 s apart, motion that is 0.25 s late is as well 0.25 s early; the other delays decide."""
    times, delays = torch.arange(-0.5, 3, 0.5) + 0.1, (-0.25, -1 / 6, 1 / 6, 0.25)
    lags, _ = motion_lags(bumps(times), torch.stack([bumps(times + delay) for delay in delays]), delays, FPS)
    assert lags.tolist() == pytest.approx(delays, abs=0.02)


def test_strength_does_not_matter_and_what_does_not_move_has_no_lag():
    late = bumps(TIMES + 0.25)
    delayed = torch.stack([3 * late + 0.05, 1e-3 * late, torch.full_like(late, 0.02)])
    lags, correlations = motion_lags(bumps(TIMES), delayed, [0.25, 0.3, 0.35], FPS)
    assert float(lags[0]) == pytest.approx(0.25, abs=0.015)
    assert lags.isnan().tolist() == correlations.isnan().tolist() == [False, True, True]
    assert motion_lags(torch.zeros(23), delayed, [0.25, 0.3, 0.35], FPS)[0].isnan().all()


def test_cross_correlation_is_that_of_numpy():
    random = np.random.default_rng(0)
    x, y = random.random(20), random.random(20)
    centred = (x - x.mean()) / (x - x.mean()).std(), (y - y.mean()) / (y - y.mean()).std()
    theirs = np.correlate(centred[1], centred[0], mode="full") / 20
    ours = cross_correlation(torch.from_numpy(x)[None], torch.from_numpy(y)[None], most=4)[0]
    assert ours.tolist() == pytest.approx(theirs[19 - 4 : 19 + 5].tolist())


def test_slope_goes_through_the_origin():
    assert slope([-0.2, 0.4], [-0.1, 0.2]) == pytest.approx(0.5)
    assert slope([0.4], [0.3]) == pytest.approx(0.75)
    assert math.isnan(slope([0.2, 0.4], [0.2, math.nan]))


def test_curves_that_cannot_be_compared_are_refused():
    with pytest.raises(ConfigurationError, match=r"curves \(n,\) and \(d, n\) for 1 delays, not \(8,\) and \(1, 9\)"):
        motion_lags(torch.zeros(8), torch.zeros(1, 9), [0.3], 6)
    with pytest.raises(ConfigurationError, match="A lag of 5 frames leaves 3 of 8 steps of motion to compare"):
        motion_lags(torch.zeros(8), torch.zeros(1, 8), [0.6], 6)
