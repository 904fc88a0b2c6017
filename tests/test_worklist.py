"""The loop over items: every promise, with real processes."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from asva_lightning.errors import ConfigurationError, MediaError, WorkFailed
from asva_lightning.worklist import work


def square(number: int) -> dict[str, object]:
    if number < 0:
        raise MediaError(f"{number}.mp4", "negative")
    return {"square": number * number, "process": os.getpid()}


def leave_a_trace(folder: Path, number: int) -> dict[str, object]:
    with (folder / str(number)).open("a") as file:
        file.write("x")
    return square(number)


def divide(number: int) -> dict[str, object]:
    time.sleep(0.01)  # So that there is a difference between at once and at the end.
    return {"inverse": 1 / number}


def die(number: int) -> dict[str, object]:
    if number == 2:
        os._exit(9)
    return {}


def numbers_of(outcome):
    return {key: result["square"] for key, result in outcome.results.items()}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    outcome = work([3, 1, 2], square, key=str, title="squares", workers=workers)
    assert list(numbers_of(outcome).items()) == [("3", 9), ("1", 1), ("2", 4)]
    assert outcome.exit_code == 0
    here = {result["process"] == os.getpid() for result in outcome.results.values()}
    assert here == {workers <= 1}
    outcome.check()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_item_is_listed_and_the_rest_is_done(workers, tmp_path):
    journal = tmp_path / "journal.jsonl"
    outcome = work([1, -2, 3], square, key=str, title="squares", journal=journal, workers=workers)
    assert numbers_of(outcome) == {"1": 1, "3": 9}
    assert outcome.failures == [("-2", "-2.mp4: negative")]
    assert outcome.exit_code == 1
    assert outcome.summary == "squares: 2 done, 1 failed.\n  -2: -2.mp4: negative"
    assert {"key": "-2", "failure": "-2.mp4: negative"} in [json.loads(line) for line in journal.open()]
    with pytest.raises(WorkFailed, match="what is done is kept"):
        outcome.check()


def test_a_second_start_does_only_what_is_missing(tmp_path):
    journal, function = tmp_path / "new" / "journal.jsonl", partial(leave_a_trace, tmp_path)
    work([1, -2], function, key=str, title="squares", journal=journal)
    outcome = work([1, -2, 3], function, key=str, title="squares", journal=journal)
    assert numbers_of(outcome) == {"1": 1, "3": 9}
    assert outcome.failures == [("-2", "-2.mp4: negative")]
    assert {name: (tmp_path / name).read_text() for name in ("1", "-2", "3")} == {"1": "x", "-2": "xx", "3": "x"}


def test_failures_are_tried_again_unless_they_are_settled(tmp_path):
    journal = tmp_path / "journal.jsonl"
    work([1, 0], partial(leave_a_trace, tmp_path), key=lambda item: f"clip{item}", title="squares", journal=journal)
    journal.write_text('{"key": "clip1", "result": {}}\n{"key": "clip0", "failure": "disk full"}\n')
    again = {"key": lambda item: f"clip{item}", "title": "squares", "journal": journal}
    assert work([1, 0], square, **again, retry_failures=False).failures == [("clip0", "disk full")]
    assert work([1, 0], square, **again).exit_code == 0
    assert work([1, 0], square, **again, retry_failures=False).exit_code == 0


def test_results_are_the_same_made_or_read(tmp_path):
    def pair(number):
        return {"pair": (number, number), 1: None}

    first = work([5], pair, key=str, title="pairs", journal=tmp_path / "j.jsonl")
    assert first.results == {"5": {"pair": [5, 5], "1": None}}
    assert work([5], pair, key=str, title="pairs", journal=tmp_path / "j.jsonl") == first


def test_a_torn_last_line_is_done_again(tmp_path):
    journal = tmp_path / "journal.jsonl"
    work([1, 2], square, key=str, title="squares", journal=journal)
    journal.write_bytes(journal.read_bytes()[:-9])
    outcome = work([1, 2, 3], square, key=str, title="squares", journal=journal)
    assert numbers_of(outcome) == {"1": 1, "2": 4, "3": 9}
    assert numbers_of(work([1, 2, 3], divide, key=str, title="squares", journal=journal)) == {"1": 1, "2": 4, "3": 9}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_programming_error_is_raised_at_once(workers, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with pytest.raises(ZeroDivisionError):
        work([1, 0, *range(2, 500)], divide, key=str, title="inverses", journal=journal, workers=workers)
    done = [json.loads(line)["key"] for line in journal.read_text().splitlines()] if journal.exists() else []
    assert "0" not in done
    assert len(done) < 300


def test_a_result_that_json_cannot_hold_is_a_programming_error():
    with pytest.raises(TypeError, match="not JSON serializable"):
        work([1], lambda number: {"path": Path("x")}, key=str, title="paths")


def test_a_dead_worker_is_named_with_its_items():
    with pytest.raises(WorkFailed, match=r"a worker process died.*under way.*2.*with one worker"):
        work([2], die, key=str, title="deaths", workers=2)


def test_parts_share_the_items_and_the_journals(tmp_path):
    items, journal = list(range(7)), tmp_path / "journal.jsonl"
    first = work(items, square, key=str, title="squares", journal=journal, part=(1, 3))
    assert list(first.results) == ["0", "3", "6"]
    second = work(items, square, key=str, title="squares", journal=journal, part=(2, 3))
    assert list(second.results) == ["1", "4"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "journal.part-1-of-3.jsonl",
        "journal.part-2-of-3.jsonl",
    ]
    whole = work(items, partial(leave_a_trace, tmp_path), key=str, title="squares", journal=journal)
    assert list(whole.results) == [str(number) for number in items]
    assert sorted(file.name for file in tmp_path.iterdir() if file.suffix == "") == ["2", "5"]


@pytest.mark.parametrize("part", [(0, 2), (3, 2), (1, 0)])
def test_a_part_that_does_not_exist_is_refused(part):
    with pytest.raises(ConfigurationError, match="There is no part"):
        work([1], square, key=str, title="squares", part=part)


def test_two_items_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match=r"two items are called '1'\. Rename one"):
        work([1, 1], square, key=str, title="squares")


def test_a_journal_of_other_settings_is_refused(tmp_path):
    journal = tmp_path / "journal.jsonl"
    asked = {"key": str, "title": "squares", "journal": journal}
    work([1], square, **asked, settings={"fps": 6, "size": (8, 8)})
    work([1], square, **asked, settings={"size": (8, 8), "fps": 6.0})
    with pytest.raises(ConfigurationError, match=r"journal\.jsonl was begun with other settings \(fps: 6, now 25\)"):
        work([1], square, **asked, settings={"fps": 25, "size": (8, 8)})


def test_an_empty_journal_is_begun_with_the_settings(tmp_path):
    journal = tmp_path / "journal.jsonl"
    journal.touch()
    asked = {"key": str, "title": "squares", "journal": journal}
    work([1], square, **asked, settings={"fps": 6})
    with pytest.raises(ConfigurationError, match=r"other settings \(fps: 6, now 25\)"):
        work([1], square, **asked, settings={"fps": 25})
    assert [list(json.loads(line)) for line in journal.open()] == [["settings"], ["key", "result"]]


def test_results_of_unknown_settings_are_refused_where_settings_count(tmp_path):
    journal = tmp_path / "journal.jsonl"
    asked = {"key": str, "title": "squares", "journal": journal}
    work([1], square, **asked)
    with pytest.raises(ConfigurationError, match=r"journal\.jsonl holds what was done, but not by which settings"):
        work([1], square, **asked, settings={"fps": 6})
    assert numbers_of(work([1, 2], square, **asked)) == {"1": 1, "2": 4}


@pytest.mark.parametrize(
    "line",
    ['{"result": {}}', '{"settings": null}', '{"key": "2"}', '{"key": 2, "result": {}}', '{"key": "2", "result": 4}'],
)
def test_a_line_that_tells_of_no_item_counts_as_torn(line, tmp_path, caplog):
    journal = tmp_path / "journal.jsonl"
    asked = {"key": str, "title": "squares", "journal": journal}
    work([1], square, **asked, settings={"fps": 6})
    with journal.open("a") as file:
        file.write(line + "\n")
    assert numbers_of(work([1, 2], square, **asked, settings={"fps": 6}, retry_failures=False)) == {"1": 1, "2": 4}
    assert "journal.jsonl: a line that tells of no item was left out" in caplog.text


def test_lines_of_progress_without_a_terminal(caplog):
    with caplog.at_level(logging.INFO):
        work([1, -1, 2], square, key=str, title="squares", report_every=0.0)
    assert [record.message for record in caplog.records] == [
        "squares: 1 of 3, 0 failed",
        "squares: 2 of 3, 1 failed",
        "squares: 3 of 3, 1 failed",
    ]


SLOW_WORK = """
import sys, time
from pathlib import Path
from asva_lightning.worklist import work

asked = Path(__file__).with_name("asked")

def sleep(number):
    time.sleep(0.2)
    while number > 3 and not asked.exists():  # however long the test takes to look and to ask
        time.sleep(0.02)
    return {"square": number * number}

if __name__ == "__main__":
    work(range(40), sleep, key=str, title="naps", journal=Path(sys.argv[1]), workers=int(sys.argv[2]))
"""


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGKILL)])
def test_a_stopped_process_can_be_continued(workers, number, tmp_path):
    script, journal = tmp_path / "naps.py", tmp_path / "journal.jsonl"
    script.write_text(SLOW_WORK)
    process = subprocess.Popen(
        [sys.executable, script, journal, str(workers)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    wait_until(lambda: journal.exists() and journal.read_text().count("\n") >= 2)
    workers_of_it = children_of(process.pid)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    (tmp_path / "asked").touch()
    _, said = process.communicate(timeout=240)
    assert process.returncode == -number
    assert said.count("Traceback") == (number == signal.SIGINT), said
    wait_until(lambda: not any(is_alive(child) for child in workers_of_it))
    done = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    told = f"KeyboardInterrupt: naps: {len(done)} of 40, 0 failed. The same command continues.\n"
    assert said.endswith(told) == (number == signal.SIGINT), said
    assert 2 <= len(done) < 20
    outcome = work(range(40), partial(leave_a_trace, tmp_path), key=str, title="naps", journal=journal)
    assert numbers_of(outcome) == {str(number): number * number for number in range(40)}
    assert not any((tmp_path / key).exists() for key in done)


def wait_until(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def children_of(process):
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def is_alive(process):
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
