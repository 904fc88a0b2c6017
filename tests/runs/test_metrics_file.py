"""Scalars of a run in a file."""

import json
import math
from datetime import datetime

import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.runs.metrics_file import MetricsFile


def without_time(rows):
    return [{name: value for name, value in row.items() if name != "time"} for row in rows]


def test_what_is_appended_is_read(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    assert metrics.read() == []
    metrics.append(10, {"loss": torch.tensor(0.5), "lr": 1})
    metrics.append(10, {"val/sync": 0.25})
    metrics.append(20, {"loss": 0.4})
    assert without_time(metrics.read()) == [
        {"step": 10, "loss": 0.5, "lr": 1.0, "val/sync": 0.25},
        {"step": 20, "loss": 0.4},
    ]
    assert datetime.fromisoformat(metrics.read()[0]["time"]).tzinfo is not None


def test_steps_that_were_done_again_replace_the_old_ones(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for step, loss in [(1, 0.9), (2, 0.8), (3, 0.7), (2, 0.81), (3, 0.71), (4, 0.6)]:
        metrics.append(step, {"loss": loss})
    assert [(row["step"], row["loss"]) for row in metrics.read()] == [(1, 0.9), (2, 0.81), (3, 0.71), (4, 0.6)]


def test_a_torn_last_line_is_left_out_and_closed_off(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.append(1, {"loss": 0.9})
    metrics.append(2, {"loss": 0.8})
    metrics.path.write_bytes(metrics.path.read_bytes()[:-4])
    assert [row["step"] for row in metrics.read()] == [1]
    metrics.append(2, {"loss": 0.8})
    assert [row["step"] for row in metrics.read()] == [1, 2]


def test_numbers_that_are_none_are_kept_in_strict_json(tmp_path):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.append(1, {"loss": math.nan, "norm": math.inf})

    def refuse(word):
        raise AssertionError(word)

    json.loads(metrics.path.read_text(), parse_constant=refuse)
    (row,) = metrics.read()
    assert math.isnan(row["loss"])
    assert row["norm"] == math.inf


@pytest.mark.parametrize("name", ["step", "time"])
def test_a_metric_cannot_take_the_name_of_a_field(name, tmp_path):
    with pytest.raises(ConfigurationError, match=f"metrics.jsonl has a field '{name}' of its own"):
        MetricsFile(tmp_path / "metrics.jsonl").append(1, {name: 0.0})
