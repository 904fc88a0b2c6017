import json
import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.results import Interval, Results, Score, bootstrap_interval


@pytest.fixture
def results() -> Results:
    return Results(
        values={"f1": {"a": 1.0, "b": 0.5, "c": math.nan}, "correlation": {"a": 0.1, "b": -0.3, "c": 0.2}},
        texts={"a": "dog barking", "b": "dog barking", "c": "hammering"},
        facts={"fps": 6.0, "guidance": 4.0},
    )


def test_interval_is_that_of_scipy():
    values = np.random.default_rng(1).normal(0.5, 0.2, 80)
    theirs = bootstrap((values,), np.mean, confidence_level=0.9, method="percentile", n_resamples=20_000, rng=0)
    ours = bootstrap_interval(values.tolist(), confidence=0.9)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.005)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.005)


def test_interval_depends_on_nothing_but_values_and_seed():
    assert bootstrap_interval([0.1, 0.5, 0.9]) == bootstrap_interval([0.1, 0.5, 0.9])
    assert bootstrap_interval([0.5]) == Interval(0.5, 0.5)
    assert all(math.isnan(end) for end in vars(bootstrap_interval([])).values())


def test_confidence_is_a_share():
    with pytest.raises(ConfigurationError, match=r"between 0 and 1, not at 95. Use 0.95 for 95 %"):
        bootstrap_interval([1.0], confidence=95)


def test_score_leaves_nan_out_and_counts_it():
    score = Score.of([1.0, math.nan, 0.0])
    assert (score.mean, score.count, score.left_out) == (0.5, 2, 1)
    nothing = Score.of([math.nan])
    assert math.isnan(nothing.mean)
    assert (nothing.count, nothing.left_out) == (0, 1)


def test_scores_overall_and_of_a_class(results):
    assert results.overall("f1").mean == 0.75
    assert results.of_class("correlation", "dog barking").mean == pytest.approx(-0.1)
    assert results.of_class("f1", "hammering").count == 0


def test_table_has_a_row_for_each_measure_and_class(results):
    lines = results.table().splitlines()
    assert lines[0] == "fps 6.0, guidance 4.0"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert cells[0] == ["measure", "class", "mean", "95 % interval", "clips", "left out"]
    assert [row[:3] for row in cells[2:]] == [
        ["f1", "all", "0.750"],
        ["f1", "dog barking", "0.750"],
        ["f1", "hammering", "nan"],
        ["correlation", "all", "0.000"],
        ["correlation", "dog barking", "-0.100"],
        ["correlation", "hammering", "0.200"],
    ]
    assert cells[2][4:] == ["2", "1"]
    assert len({len(line) for line in lines[2:]}) == 1


def test_file_holds_everything_and_is_read_back(results, tmp_path):
    results.write(tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["scores"]["f1"]["all"]["mean"] == 0.75
    assert content["scores"]["f1"]["classes"]["hammering"]["mean"] is None
    assert content["values"]["f1"]["c"] is None
    again = Results.read(tmp_path / "results.json")
    assert again.table() == results.table()
    assert math.isnan(again.values["f1"]["c"])


def test_unknown_measure(results):
    with pytest.raises(ConfigurationError, match="No measure is called 'fvd'; these were scored: f1, correlation"):
        results.overall("fvd")


def test_what_is_infinite_is_left_out_counted_and_written_as_null(tmp_path):
    results = Results(
        values={"m": {"a": math.inf, "b": 1.0, "c": -math.inf}},
        texts=dict.fromkeys("abc", "x"),
        facts={"chance": math.inf},
        sets={"d": {"all": Score(math.inf, math.nan, math.inf, 2)}},
        set_draws={"d": [1.0, math.inf]},
    )
    assert (results.overall("m").mean, results.overall("m").count, results.overall("m").left_out) == (1.0, 1, 2)
    results.write(tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["values"]["m"] == {"a": None, "b": 1.0, "c": None}
    assert content["scores"]["m"]["all"]["left_out"] == 2
    assert content["sets"]["d"]["all"]["mean"] is None
    again = Results.read(tmp_path / "r.json")
    assert again.overall("m") == results.overall("m")
    assert math.isnan(again.sets["d"]["all"].high)
    assert math.isnan(again.set_draws["d"][1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content["values"]["f1"].pop("b"), "clip 'b' is not in `values` of f1"),
        (lambda content: content["texts"].pop("b"), "clip 'b' is not in `texts`"),
        (lambda content: content.pop("texts"), "`texts` is missing"),
        (lambda content: content.update(facts=None), "`facts` is not an object"),
        (lambda content: content.update(versions=None), "`versions` is not an object"),
        (lambda content: content.update(videos=None), "`videos` is not an object"),
        (lambda content: content.update(protocol=[]), "`protocol` is not an object"),
        (lambda content: content.update(protocol={"measures": {"f1": "f1"}}), "`protocol` is not an object"),
        (lambda content: content.update(set_draws=None), "`set_draws` is not an object"),
        (lambda content: content.update(sets={"d": {"class x": {"mean": 1.0}}}), "`sets` has no score of all clips"),
        (lambda content: content.update(sets={"d": {"all": {"mean": 1.0}}}), "low"),
        (lambda content: content["values"]["f1"].update(a="0.5"), "`values` is not an object of measures"),
        (lambda content: content.update(excluded=["a"]), "`excluded` is not an object"),
        (lambda content: content.update(missing={}), "`missing` is not a list"),
    ],
)
def test_a_damaged_file_is_told_with_what_is_wrong(change, message, results, tmp_path):
    path = tmp_path / "results.json"
    results.write(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(
        ConfigurationError, match=rf"results\.json holds no results, or is damaged \(.*{message}"
    ) as refusal:
        Results.read(path)
    assert "evaluate again" in str(refusal.value)
