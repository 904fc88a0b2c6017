"""Several processes judge shares of the clips, and one puts them together."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from systems import FORMAT, write_system

from asva_lightning.errors import WorkFailed
from asva_lightning.evaluation.evaluate import Evaluation, evaluate, forget_judged, judge_part
from asva_lightning.evaluation.judging import PairJudge
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.pairing import pair
from asva_lightning.evaluation.references import digest, open_references


@pytest.fixture
def evaluation(clip_folder, tmp_path):
    """What makes an evaluation of nine clips by one measure of clips and one of sets, for an output."""
    references = open_references(str(clip_folder))
    system = write_system(clip_folder, tmp_path / "system", brighter=10)
    judges = {"brightness": {"class_path": "judges_for_tests.Brightness"}}

    def of(output):
        judge = PairJudge(FORMAT, PanelDescription.of(["psnr"], judges), features=f"{output}.features")
        return Evaluation(pair(str(system), references), judge, digest(references), "test")

    return of


def test_shares_together_are_the_whole(evaluation, tmp_path):
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    alone = evaluate(evaluation(whole), whole, workers=1)
    counts = [len(judge_part(evaluation(parts), parts, part, workers=1).results) for part in ((1, 2), (2, 2))]
    assert counts == [5, 4]
    assert not parts.exists()
    lines = [json.loads(line) for file in tmp_path.glob("*.part-*") for line in file.read_text().splitlines()]
    assert sum("result" in line for line in lines) == 9, "each clip is judged once"
    together = evaluate(evaluation(parts), parts, workers=1)
    assert together.values == alone.values
    assert together.sets == alone.sets
    assert not list(tmp_path.glob("parts.json.*")), "what was judged is in the results"


def test_what_is_judged_can_be_forgotten(evaluation, tmp_path):
    output, other = tmp_path / "results.json", tmp_path / "results.json.bak"
    other.touch()
    judge_part(evaluation(output), output, (2, 3), workers=1)
    assert len(list(tmp_path.glob("results.json.*"))) == 3
    forget_judged(output)
    assert list(tmp_path.glob("results.json*")) == [other]


def test_where_nothing_could_be_judged_the_next_start_may_have_other_settings(evaluation, tmp_path):
    """As after a first start without --format: its journal holds no result, and would only be in the way."""
    output = tmp_path / "results.json"
    asked = evaluation(output)
    wrong = replace(asked, judge=replace(asked.judge, format=replace(FORMAT, frames=5)))
    with pytest.raises(WorkFailed, match="Not one of 9 clips could be judged"):
        evaluate(wrong, output, workers=1)
    assert not list(tmp_path.glob("results.json*"))
    assert evaluate(asked, output, workers=1).facts["clips"] == 9


def test_what_a_part_could_not_judge_is_not_tried_again_by_the_one_that_puts_them_together(
    evaluation, tmp_path, monkeypatch
):
    output = tmp_path / "results.json"
    asked = evaluation(output)
    broken = Path(asked.pairings.pairs[0].path)
    broken.write_bytes(b"no video")
    for part in ((1, 2), (2, 2)):
        judge_part(asked, output, part, workers=1)

    def again(*_):
        raise AssertionError("a clip is judged twice")

    monkeypatch.setattr(PairJudge, "__call__", again)
    results = evaluate(replace(asked, excluded={"other": "is no video"}), output, workers=1, retry_failures=False)
    assert list(results.excluded) == ["other", asked.pairings.pairs[0].key]
    assert results.facts["draws of sets"] == 20
