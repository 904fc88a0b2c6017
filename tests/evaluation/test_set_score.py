"""A distance between sets of clips: what it is where the measure gives no number."""

import logging
import math

import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.set_score import set_score

SETS = {f"clip{number}": (torch.full((1, 1), float(number)), torch.zeros(1, 1)) for number in range(6)}


class Distance:
    """Gives one answer after another, and then the last for ever."""

    higher_is_better = False

    def __init__(self, *answers):
        self.answers = list(answers)

    def distance(self, generated, reference):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_distance_that_is_no_finite_number_is_nan_with_a_warning(value, caplog):
    with caplog.at_level(logging.WARNING):
        score, draws = set_score("far", Distance(value), SETS, {})
    assert math.isnan(score.mean)
    assert (score.count, score.left_out, draws) == (0, 6, [])
    assert f"far of 6 clips: The distance is {value}, no finite number." in caplog.text


@pytest.mark.parametrize("answer", [math.inf, ConfigurationError("Too few.")])
def test_a_draw_that_has_no_distance_leaves_no_interval(answer, caplog):
    with caplog.at_level(logging.WARNING):
        score, draws = set_score("far", Distance(2.0, 1.0, answer), SETS, {})
    assert (score.mean, score.count, score.left_out, draws) == (2.0, 6, 0, [])
    assert math.isnan(score.low)
    assert "far has no interval" in caplog.text
