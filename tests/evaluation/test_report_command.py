"""The command ``report``: two results, clip by clip."""

import json
import math

import pytest

from asva_lightning.cli import main
from asva_lightning.evaluation.bootstrap import Score
from asva_lightning.evaluation.compare import compare
from asva_lightning.evaluation.results import Results


def results(better=0.0, clips=12, **changes):
    keys = [f"dog/{number}_clip-{turn:02d}" for number in range(clips // 2) for turn in range(2)]
    values = {
        "psnr": {key: 20 + place % 5 + better * (1 + place % 2) for place, key in enumerate(keys)},
        "onset_f1": {key: math.nan if place == 0 else 0.5 for place, key in enumerate(keys)},
    }
    protocol = {"format": {"frames": 12, "fps": 6.0}, "reference": "a" * 64,
                "measures": {"psnr": {"described": "psnr", "weights": ""}}}  # fmt: skip
    settings = {
        "values": values,
        "texts": dict.fromkeys(keys, "dog"),
        "videos": {key: key.partition("_")[0] for key in keys},
        "sets": {"fid": {"all": Score(30.0 - better, 1.0, 50.0, clips)}},
        "protocol": protocol,
        "versions": {"torch": "2.10"},
    }
    return Results(**settings | changes)


def report(tmp_path, capsys, first, second, *more):
    first.write(tmp_path / "a.json")
    second.write(tmp_path / "b.json")
    main(["report", str(tmp_path / "a.json"), str(tmp_path / "b.json"), *more])
    return capsys.readouterr().out


def refusal(tmp_path, capsys, first, second):
    with pytest.raises(SystemExit) as stop:
        report(tmp_path, capsys, first, second)
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_the_difference_is_paired(tmp_path, capsys):
    text = report(tmp_path, capsys, results(), results(better=1.0), f"--output={tmp_path / 'r.md'}")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0] == ["measure", "a", "b", "difference", "95 % interval", "p", "clips", "left out"]
    # Six videos, of 2^6 flips two are as far; every video has the same mean difference.
    assert rows[2] == ["psnr", "21.750", "23.250", "+1.500", "+1.500 to +1.500", "0.031", "12", "0"]
    assert rows[3] == ["onset_f1", "0.500", "0.500", "+0.000", "+0.000 to +0.000", "1", "11", "1"]
    assert rows[4] == ["fid", "30.000", "29.000", "-1.000", "-", "-", "12", "0"]
    assert "b less a, paired by clip; 12 clips of 6 videos" in text
    assert (tmp_path / "r.md").read_text() == text


def test_a_distance_between_sets_is_paired_by_draws_of_the_same_videos(tmp_path, capsys):
    first, second = results(set_draws={"fid": [33.0, 35.0, 40.0]}), results(1.0, set_draws={"fid": [32.5, 34.0, 38.5]})
    text = report(tmp_path, capsys, first, second)
    # Differences of draws -0.5, -1 and -1.5 have a standard deviation of 0.5; -1 is two of them away from 0.
    assert "| -1.000     | -1.980 to -0.020 | 0.046 | 12    | 0        |" in text
    assert "interval and p are those of a normal spread" in text
    without = report(tmp_path, capsys, first, results(1.0))
    assert "| -1.000     | -                | -     | 12" in without


def test_a_measure_that_only_one_has_is_passed_over(tmp_path, capsys):
    other = results()
    del other.values["onset_f1"]
    assert [one.measure for one in compare(results(), other)] == ["psnr", "fid"]
    assert [one.measure for one in compare(results(), results(sets={}))] == ["psnr", "onset_f1"]


def test_other_versions_are_told(tmp_path, capsys):
    text = report(tmp_path, capsys, results(), results(versions={"torch": "2.11"}))
    assert "Made with other versions: torch 2.10 against 2.11." in text


def test_other_clips_are_refused(tmp_path, capsys):
    error = refusal(tmp_path, capsys, results(clips=26), results(clips=4))
    assert "22 clips only in the first: dog/10_clip-00, " in error
    assert "and 12 more" in error
    assert "only in the second" not in error


def test_another_protocol_is_refused(tmp_path, capsys):
    other = results()
    other.protocol = other.protocol | {
        "format": {"frames": 12, "fps": 8.0}, "reference": "b" * 64,
        "measures": {"psnr": {"described": "psnr", "weights": "c" * 64}},
    }  # fmt: skip
    error = refusal(tmp_path, capsys, results(), other)
    assert "format frames=12 fps=6.0 against frames=12 fps=8.0" in error
    assert "reference aaaaaaaaaaaa against bbbbbbbbbbbb" in error
    assert "psnr: weights  against cccccccccccc" in error
    assert "Evaluate both on the same clips with the same settings" in error


def test_results_without_a_protocol_are_compared_by_their_facts(tmp_path, capsys):
    first, second = (results(protocol={}, facts={"fps": fps, "guidance": fps}) for fps in (6.0, 8.0))
    error = refusal(tmp_path, capsys, first, second)
    assert "fps 6.0 against 8.0" in error
    assert "guidance" not in error  # two systems may well differ in that
    text = report(tmp_path, capsys, first, results(protocol={}, facts={"fps": 6.0, "guidance": 8.0}))
    assert "Neither file has a protocol, so of their facts only frames, fps, size, chance had to be equal." in text
    assert "These differ: guidance 6.0 against 8.0." in text
    assert "Neither file" not in report(tmp_path, capsys, results(), results())


def test_a_protocol_against_none_is_refused(tmp_path, capsys):
    without = results(protocol={}, facts={"frames": 12})
    assert "the second has no protocol" in refusal(tmp_path, capsys, results(facts={"frames": 12}), without)
    assert "the first has no protocol" in refusal(tmp_path, capsys, without, results(facts={"frames": 12}))


def test_what_only_one_protocol_knows_is_refused(tmp_path, capsys):
    """Such as a hash of the true clips, which older versions did not write."""
    older = results()
    older.protocol = {name: value for name, value in older.protocol.items() if name != "reference"}
    assert "reference not known against aaaaaaaaaaaa" in refusal(tmp_path, capsys, older, results())


def test_chance_stands_beside_the_table_and_another_one_is_refused(tmp_path, capsys):
    first, second = (results(protocol={}, facts={"chance": chance, "chance offset": 1 / 3}) for chance in (0.35, 0.2))
    assert "\nWhat guessing gives: chance 0.35, chance offset 0.3333.\n" in report(tmp_path, capsys, first, first)
    assert "chance 0.35 against 0.2" in refusal(tmp_path, capsys, first, second)


def without(*keys, **changes):
    """Results that lack some clips."""
    made = results(**changes)
    made.values = {name: {key: of[key] for key in of if key not in keys} for name, of in made.values.items()}
    made.texts = {key: text for key, text in made.texts.items() if key not in keys}
    return made


def test_a_clip_that_one_has_left_out_is_told_with_the_reason(tmp_path, capsys):
    lost = {"dog/0_clip-00": "it holds NaN."}
    error = refusal(tmp_path, capsys, without(*lost, excluded=lost), results())
    assert "1 clip only in the second, excluded from the first (it holds NaN): dog/0_clip-00\n" in error
    error = refusal(tmp_path, capsys, results(), without("dog/1_clip-01", missing=["dog/1_clip-01"]))
    assert "1 clip only in the first, missing in the second: dog/1_clip-01\n" in error
    # Files that are named by their start: the name of the video is listed, with a count.
    error = refusal(tmp_path, capsys, results(), without("dog/1_clip-01", missing=["dog/1 (1 of 2 clips)"]))
    assert "missing in the second: dog/1_clip-01\n" in error


def test_a_part_against_the_same_part_is_told(tmp_path, capsys):
    part = without(
        "dog/0_clip-00", "dog/0_clip-01", excluded={"dog/0_clip-00": "it holds NaN."}, missing=["dog/0_clip-01"]
    )
    text = report(tmp_path, capsys, part, part)
    for name in "ab":
        line = f"{name} is of a part only, and so is this table: 1 clip excluded: dog/0_clip-00 (it holds NaN); 1 file "
        assert line + "missing: dog/0_clip-01." in text
    assert "a part only" not in report(tmp_path, capsys, results(), results())


def test_the_table_does_not_replace_what_is_compared(tmp_path, capsys):
    results().write(tmp_path / "a.json")
    results().write(tmp_path / "b.json")
    before = (tmp_path / "b.json").read_bytes()
    (tmp_path / "link.json").symlink_to("b.json")
    for output in ("b.json", "link.json"):
        with pytest.raises(SystemExit):
            report(tmp_path, capsys, results(), results(), f"--output={tmp_path / output}")
        assert "is one of the two results" in capsys.readouterr().err
    assert (tmp_path / "b.json").read_bytes() == before


def test_infinite_values_are_left_out_of_a_comparison():
    first, second = results(), results()
    first.values["psnr"]["dog/0_clip-00"] = math.inf
    difference = next(one for one in compare(first, second) if one.measure == "psnr")
    assert (difference.difference.count, difference.difference.left_out) == (11, 1)
    assert math.isfinite(difference.first)


def test_no_measure_in_common(tmp_path, capsys):
    other = results(sets={})
    other.values = {"ssim": other.values["psnr"]}
    assert "no measure is in both: psnr, onset_f1, fid against ssim" in refusal(tmp_path, capsys, results(), other)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read: No such file"), ("[]", "holds no results"), ("{", "holds no res")]
)
def test_a_file_that_holds_no_results(content, message, tmp_path, capsys):
    results().write(tmp_path / "a.json")
    if content is not None:
        (tmp_path / "b.json").write_text(content)
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert message in capsys.readouterr().err


def test_everything_is_read_back(tmp_path):
    first = results(
        set_draws={"fid": [1.0, 2.0]}, excluded={"x": "why"}, missing=["y"], extra=["z"],
        clip_facts={"dog/0_clip-00": {"seed": 1}},
    )  # fmt: skip
    first.write(tmp_path / "a.json")
    again = Results.read(tmp_path / "a.json")
    again.write(tmp_path / "b.json")
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads((tmp_path / "b.json").read_text())
    assert (again.excluded, again.missing, again.extra) == (first.excluded, first.missing, first.extra)
    assert again.videos == first.videos
    assert (again.sets, again.set_draws) == (first.sets, first.set_draws)
