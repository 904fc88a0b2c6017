"""States and numbers of the table, from run folders of known content."""

import json
import math

import pytest
from run_folders import leave, row

from asva_lightning.studies.command import commands_of, failure_of, jobs_of
from asva_lightning.studies.launch import Ended
from asva_lightning.studies.scores import Summary
from asva_lightning.studies.state import state_of
from asva_lightning.studies.sweep_file import Difference, Sweep
from asva_lightning.studies.table import Table


def sweep(*scores: str, test: bool = False, seeds=(0, 1, 2)) -> Sweep:
    differences = (Difference("base", "the base itself", ()), Difference("other", "data.flip=0", ("--config={}",)))
    return Sweep("method", ("--config=a.yaml",), differences, seeds, scores=scores, test=test)


def test_the_state_is_read_from_the_folder(tmp_path):
    assert str(state_of(row(tmp_path, "new", 0), test=True)) == "not started"
    assert str(state_of(leave(row(tmp_path, "begun", 0), None), test=True)) == "at step 0"
    assert str(state_of(leave(row(tmp_path, "stopped", 0), 5), test=False)) == "at step 5"
    trained = leave(row(tmp_path, "trained", 0), 8, {"step": 5, "test/loss": 1.0}, {"step": 8, "train/loss": 1.0})
    assert str(state_of(trained, test=False)) == "done"
    assert str(state_of(trained, test=True)) == "at step 8, not tested", "the test was of an earlier step"
    tested = leave(row(tmp_path, "tested", 0), 8, {"step": 8, "test/loss": 1.0})
    assert str(state_of(tested, test=True)) == "done"


def test_what_is_left_to_do_follows_from_the_state(tmp_path):
    def left(one, test):
        return [command[3] for command in commands_of(one, test)]

    assert left(row(tmp_path, "new", 0), True) == ["fit", "test"]
    assert left(leave(row(tmp_path, "stopped", 0), 5), False) == ["fit"]
    trained = leave(row(tmp_path, "trained", 0), 8)
    assert left(trained, True) == ["test"]
    assert left(trained, False) == []
    assert commands_of(trained, True)[0][1:] == ("-m", "asva_lightning", "test", "--seed_everything=0")


def test_one_row_alone_generates_the_shards_of_several(tmp_path):
    shards = tmp_path / "shards"
    rows = [row(tmp_path, "base", 0, generates=shards), row(tmp_path, "base", 1, generates=shards),
            row(tmp_path, "other", 0)]  # fmt: skip
    first, second, other = jobs_of(rows, False, tmp_path)
    assert first.may_start(first, [other])
    assert not second.may_start(second, [other, first])
    assert other.may_start(other, [first])
    shards.mkdir()
    (shards / "dataset.json").write_text("{}")
    assert second.may_start(second, [other, first])


def test_mean_and_sample_deviation_over_the_seeds_that_are_done(tmp_path):
    rows = [
        leave(row(tmp_path, "base", seed), 8, {"step": 4, "sync/r": 9.0}, {"step": 8, "sync/r": value},
              {"step": 8, "test/loss": 2.0}, test={"onset_f1": value / 2})
        for seed, value in enumerate([0.1, 0.4, 0.7])
    ]  # fmt: skip
    rows += [
        leave(row(tmp_path, "other", 0), 8, {"step": 8, "sync/r": 0.25, "test/loss": 3.0}, test={"onset_f1": None}),
        leave(row(tmp_path, "other", 1), 3, {"step": 3, "sync/r": 100.0}),
        row(tmp_path, "other", 2),
    ]
    table = Table.of(sweep("sync/r", "test/onset_f1", "test/loss", test=True), rows)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in str(table).splitlines() if "|" in line]
    assert lines[0] == ["difference", "what differs", "N", "sync/r", "test/onset_f1", "test/loss"]
    assert lines[2] == ["base", "the base itself", "3 of 3", "0.4 ± 0.3", "0.2 ± 0.15", "2 ± 0"]
    assert lines[3] == ["other", "data.flip=0", "1 of 3", "0.25", "nan", "3"]
    assert ["run-base2", "base", "2", "done", "0.7", "0.35", "2"] in lines
    assert ["run-other1", "other", "1", "at step 3", "", "", ""] in lines
    assert ["run-other2", "other", "2", "not started", "", "", ""] in lines
    assert "standard deviation (n - 1)" in str(table)
    [note] = table.notes
    assert note.startswith("test/onset_f1 is missing or not a number for other, seed 0: left out of mean and spread. ")
    assert note.endswith("delete its last checkpoint and start the sweep again.")

    table.write(tmp_path / "method")
    content = json.loads((tmp_path / "method" / "table.json").read_text())
    assert (tmp_path / "method" / "table.md").read_text() == f"{table}\n"
    assert content["differences"][0]["scores"]["sync/r"] == pytest.approx(
        {"mean": 0.4, "deviation": 0.3, "minimum": 0.1, "maximum": 0.7, "count": 3}
    )
    assert [one["scores"]["sync/r"] for one in content["rows"]] == [0.1, 0.4, 0.7, 0.25, None, None]
    assert content["rows"][4] == {
        "difference": "other", "seed": 1, "run": "run-other1", "state": "at step 3", "step": 3, "max_steps": 8,
        "words": ["--seed_everything=1"], "scores": {"sync/r": None, "test/onset_f1": None, "test/loss": None},
    }  # fmt: skip


def test_a_score_that_no_run_has_is_nan_and_a_note_names_those_there_are(tmp_path):
    rows = [leave(row(tmp_path, "base", 0), 8, {"step": 8, "train/loss": 1.0}, test={"onset_f1": 0.5})]
    table = Table.of(sweep("sync/nothing", seeds=(0,)), rows)
    assert "| nan" in str(table).replace("  ", "").replace("|nan", "| nan")
    assert table.notes == ["No row has a score called sync/nothing. There are: test/onset_f1, train/loss."]


def test_runs_compare_at_the_step_that_was_asked_for(tmp_path):
    longer = leave(row(tmp_path, "base", 0), 16, {"step": 8, "sync/r": 0.5}, {"step": 16, "sync/r": 0.9})
    stopped = leave(row(tmp_path, "base", 1), 8, {"step": 4, "sync/r": 0.3})
    table = Table.of(sweep("sync/r", seeds=(0, 1)), [longer, stopped])
    assert [line.scores["sync/r"] for line in table.lines] == [0.5, 0.3]
    assert table.notes[0].startswith("base, seed 0 was trained to step 16, beyond 8")
    assert table.notes[1] == "sync/r is of step 8, but earlier for some rows (base, seed 1: 4)."


def test_a_failure_is_in_the_table_and_says_why(tmp_path):
    failed = leave(row(tmp_path, "base", 0), 3)
    table = Table.of(sweep(seeds=(0,)), [failed], {failed: "failed with code 1, see a.log: no such file"})
    assert "| failed, at step 3 |" in str(table)
    assert "- base, seed 0: failed with code 1, see a.log: no such file" in str(table)


def test_a_row_that_ends_before_its_last_step_has_failed_and_one_that_was_stopped_has_not(tmp_path):
    short = leave(row(tmp_path, "base", 0), 3)
    log = tmp_path / "logs" / "run-base0.log"
    ended_well = f"ended well, but at step 3 of 8, see {log}"
    assert failure_of(short, False, Ended(0, asked=False), tmp_path) == ended_well
    assert failure_of(short, False, Ended(-9, asked=False), tmp_path) == f"killed by SIGKILL, see {log}: "
    for stopped in (None, Ended(75, asked=False), Ended(-15, asked=True)):
        assert failure_of(short, False, stopped, tmp_path) is None


def test_values_that_are_no_numbers_do_not_count():
    assert Summary.of([1.0, math.nan, 2.0]) == Summary(1.5, pytest.approx(math.sqrt(0.5)), 1.0, 2.0, 2)
    assert Summary.of([math.nan]).count == 0
    assert str(Summary.of([1.0, math.inf])) == "inf", "a run that diverged is not hidden"
