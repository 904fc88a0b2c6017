import math

import numpy as np
import pytest
from scipy.stats import norm, permutation_test

from asva_lightning.evaluation.bootstrap import Score, bootstrap_interval, of_paired_draws, sign_flip_p


def test_clips_of_one_video_are_drawn_together():
    random = np.random.default_rng(0)
    of_videos = random.normal(size=30)
    videos = [f"v{place}" for place in range(30)]
    once = bootstrap_interval(of_videos.tolist(), videos=videos)
    # Clips that are copies of one another tell no more than one of them.
    copies = bootstrap_interval(np.repeat(of_videos, 3).tolist(), videos=np.repeat(videos, 3).tolist())
    assert vars(copies) == pytest.approx(vars(once))
    alone = bootstrap_interval(np.repeat(of_videos, 3).tolist())
    assert alone.high - alone.low < 0.7 * (once.high - once.low)


def test_a_video_of_more_clips_weighs_more():
    interval = bootstrap_interval([1.0, 1.0, 1.0, 0.0], videos=["a", "a", "a", "b"])
    assert (interval.low, interval.high) == (0.0, 1.0)
    assert Score.of([1.0, 1.0, math.nan, 0.0], videos=["a", "a", "a", "b"]).mean == pytest.approx(2 / 3)


@pytest.mark.parametrize("count", [9, 25])
def test_the_p_value_is_that_of_scipy(count):
    differences = np.random.default_rng(1).normal(0.3, 0.6, count)
    theirs = permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=20_000, rng=0
    ).pvalue
    assert sign_flip_p(differences.tolist()) == pytest.approx(theirs, abs=0.01)
    assert 0.001 < theirs < 0.5


def test_signs_of_a_video_flip_together():
    # Four videos: all 16 ways; only all plus and all minus are as far from 0.
    videos = [name for name in "abcd" for _ in range(5)]
    assert sign_flip_p([1.0] * 20, videos) == 2 / 16
    assert sign_flip_p([1.0] * 20) < 0.001


def test_no_difference_is_no_surprise():
    assert sign_flip_p([0.0] * 40) == 1.0
    assert math.isnan(sign_flip_p([]))


def test_paired_draws_spread_as_their_differences_do():
    random = np.random.default_rng(0)
    alike = random.normal(30, 5, 20)  # what both have in common does not count
    before, after = alike + random.normal(0, 0.1, 20), alike - 0.2 + random.normal(0, 0.1, 20)
    interval, p = of_paired_draws(-0.2, before.tolist(), after.tolist())
    deviation = np.std(after - before, ddof=1)
    assert (interval.low, interval.high) == pytest.approx((-0.2 - 1.96 * deviation, -0.2 + 1.96 * deviation))
    assert p == pytest.approx(2 * norm.sf(0.2 / deviation))
    assert 0.01 < p < 0.5
    assert of_paired_draws(-0.2, before.tolist(), [*after.tolist(), 99.0]) == (interval, p)


def test_draws_that_do_not_differ_leave_no_doubt_and_one_draw_tells_nothing():
    interval, p = of_paired_draws(-1.0, [3.0, 4.0], [2.0, 3.0])
    assert (interval.low, interval.high, p) == (-1.0, -1.0, 0.0)
    assert of_paired_draws(0.0, [3.0, 4.0], [3.0, 4.0])[1] == 1.0
    interval, p = of_paired_draws(-1.0, [3.0], [2.0])
    assert all(math.isnan(value) for value in (interval.low, interval.high, p))
