"""The command ``evaluate --shift-test`` on synthetic clips whose events have known times."""

import json
import math
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from asva_lightning.cli import main
from asva_lightning.data import SynthSync, SynthSyncSource, build
from asva_lightning.evaluation.shift_report import ShiftReport

WORDS = ["--format.height=40", "--format.width=40", "--workers=1"]
SIX = ["--format.frames=12", "--format.fps=6", *WORDS]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two clips of each discrete kind."""
    kinds = ("ball", "drum", "hammer", "lamp", "firework")
    clips = SynthSync(kinds=kinds, train=1, validation=1, test=10, height=40, width=40, two_objects=0.0)
    return build(SynthSyncSource(clips), tmp_path_factory.mktemp("discrete") / "shards").output


@pytest.fixture(scope="module")
def tested(shards, tmp_path_factory):
    output = tmp_path_factory.mktemp("shift") / "shift.json"
    words = ["--format.frames=60", "--format.fps=30", *WORDS]
    main(["evaluate", "--shift-test", f"--reference={shards}", f"--output={output}", *words])
    return output, json.loads(output.read_text())


def test_every_measure_of_synchrony_tells_right_from_shifted_sound(tested):
    _, content = tested
    scores = content["scores"]
    assert set(scores) == {"onset_f1", "onset_motion_correlation", "av_align"}
    for measure in scores.values():
        assert measure["0.4 s"]["auc"] >= 0.85
        assert measure["0.4 s"]["score"]["mean"] < 0.2 * measure["right"]["mean"]
        assert measure["slope"]["high"] < 0
        assert measure["0.4 s"]["clips without"] == 0
        for condition in ("other sound", "reversed"):
            assert measure[condition]["score"]["mean"] < measure["right"]["mean"]


def test_conditions_of_a_clip_are_its_own_sound_late_and_early(tested):
    _, content = tested
    shifts = {f"{sign}{shift}" for shift in ("0.1", "0.2", "0.4", "0.7", "1") for sign in "+-"}
    for clip in content["clips"].values():
        assert set(clip["values"]["onset_f1"]) == {"right", "other sound", "reversed"} | shifts


def test_known_failures_are_seen_class_by_class(tested):
    _, content = tested
    hammer = content["classes"]["a distant hammer striking an anvil"]
    assert hammer["onset_f1"]["0.4 s"]["auc"] == 1
    # AV-Align allows motion to lead by one frame only, and a hammer that is far away leads by more.
    assert hammer["av_align"]["0.4 s"]["auc"] < 0.75


def test_tables_and_plot_lie_beside(tested):
    output, _ = tested
    text = output.with_suffix(".md").read_text()
    assert "Shift test of 10 clips: 60 frames at 30 a second, 40x40" in text
    assert "| a ball bouncing on a pad " in text
    picture = ElementTree.fromstring(output.with_suffix(".svg").read_text())
    lines = picture.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(line.get("points").split()) for line in lines] == [11, 11, 11]
    assert sorted(path.name for path in output.parent.iterdir()) == ["shift.json", "shift.md", "shift.svg"]


def test_clips_without_neighbouring_sound_are_left_out_and_counted(clip_folder, tmp_path, capsys):
    # Clips of 3 s, of which the middle 2 s are judged: there is half a second of sound to either side.
    words = ["--shift_test=true", f"--reference={clip_folder}", f"--output={tmp_path / 's.json'}", *SIX]
    main(["evaluate", *words, "--measures=[onset_f1]"])
    content = json.loads((tmp_path / "s.json").read_text())
    without = {name: content["scores"]["onset_f1"][name]["clips without"] for name in ("0.4 s", "0.7 s", "1 s")}
    assert without == {"0.4 s": 0, "0.7 s": 3, "1 s": 3}
    assert content["scores"]["onset_f1"]["1 s"]["auc"] is None
    assert math.isclose(content["scores"]["onset_f1"]["0.4 s"]["paired auc"]["count"], 3)


def test_a_judge_of_yaml_is_tested_too(shards, tmp_path):
    judges = '--judges={"loudness": {"class_path": "judges_for_tests.Loudness"}}'
    output = tmp_path / "s.json"
    words = [f"--reference={shards}", f"--output={output}", "--measures=[psnr]", judges, *SIX]
    main(["evaluate", "--shift-test", *words])
    scores = json.loads(output.read_text())["scores"]
    assert list(scores) == ["loudness"]
    assert scores["loudness"]["reversed"]["auc"] == pytest.approx(0.5)  # the sound is the same
    assert scores["loudness"]["higher is better"] is None


def test_a_judge_whose_lower_values_are_better(shards, tmp_path):
    """A judge such as DeSync, which tells how far sound and picture are apart."""
    judges = '--judges={"out_of_step": {"class_path": "judges_for_tests.OutOfStep"}}'
    output = tmp_path / "s.json"
    main(["evaluate", "--shift-test", f"--reference={shards}", f"--output={output}", "--measures=[]", judges, *SIX])
    of = json.loads(output.read_text())["scores"]["out_of_step"]
    assert of["higher is better"] is False
    assert of["0.4 s"]["score"]["mean"] > of["right"]["mean"]
    assert of["0.4 s"]["auc"] > 0.85
    assert of["0.4 s"]["paired auc"]["mean"] > 0.85
    assert of["slope"]["low"] > 0
    assert "| out_of_step (lower is better) " in output.with_suffix(".md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--measures=[psnr]"], "--shift_test needs a measure of synchrony, such as --measures onset_f1"),
        (["--format.frames=60"], "Not one of 3 clips could be judged"),
    ],
)
def test_what_cannot_be_tested(words, message, clip_folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            ["evaluate", "--shift-test", f"--reference={clip_folder}", f"--output={tmp_path / 's.json'}", *SIX, *words]
        )
    assert stop.value.code == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("s.json*")), "a journal of nothing would refuse the next start"


def test_one_clip_is_not_enough(clip_folder, tmp_path, capsys):
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(min(clip_folder.rglob("*.mp4")), folder / "a.mp4")
    with pytest.raises(SystemExit):
        main(["evaluate", "--shift-test", f"--reference={folder}", f"--output={tmp_path / 's.json'}", *SIX])
    assert "--shift_test needs two or more true clips" in capsys.readouterr().err


def report(*values):
    """Clips of which only the values under four conditions are known."""
    names = ("right", "+0.1", "-0.1", "+0.4")
    clips = {
        str(number): {"values": {"m": dict(zip(names, of))}, "text": "t", "video": str(number)}
        for number, of in enumerate(values)
    }
    format = {"frames": 12, "fps": 6.0, "height": 8, "width": 8}
    return ShiftReport(clips, {}, {"shifts": [0.1, 0.4], "format": format})


def test_auc_counts_pairs_and_ties():
    shifted = report((1.0, 0.5, 0.5, 0.0), (0.2, 0.3, 0.2, 0.0))
    telling = shifted.telling("m", ("+0.1", "-0.1"))
    # Right 1.0 beats all four; right 0.2 ties with one and loses three.
    assert telling.unpaired == pytest.approx((4 + 0.5) / 8)
    # Of the same clip: 1.0 beats both, 0.2 loses one and ties with one.
    assert telling.paired.mean == pytest.approx((1 + 0.25) / 2)
    assert telling.count == 2


def test_where_lower_is_better_the_right_clip_wins_by_a_lower_value():
    values = (0.1, 0.5, 0.6, 0.9), (0.2, 0.3, 0.1, 0.8)
    lower, higher, neither = (replace(report(*values), higher_is_better={"m": way}) for way in (False, True, None))
    keys = ("+0.1", "-0.1")
    # Of eight pairs 0.1 is below three and ties with one, 0.2 is below three.
    assert lower.telling("m", keys).unpaired == pytest.approx(6.5 / 8)
    assert lower.telling("m", keys).paired.mean == pytest.approx((1 + 0.5) / 2)
    for other in (higher, neither):
        assert other.telling("m", keys).unpaired == pytest.approx(1.5 / 8)
    assert lower.slope("m") == higher.slope("m")
    assert "| m (lower is better) " in lower.text()
    assert "right must be lower than wrong, and the slope above 0" in lower.text()
    assert "the AUC is how often right is higher than wrong" in neither.text()
    assert "better)" not in higher.text()


def test_slope_is_that_of_least_squares_over_both_directions():
    slope = report((1.0, 0.5, 0.9, 0.0)).slope("m")
    # Through (0, 1), (0.1, 0.7) and (0.4, 0).
    assert slope.mean == pytest.approx(-2.4615, abs=1e-3)


def test_values_that_are_nan_are_left_out():
    telling = report((math.nan, 0.5, 0.5, 0.0), (0.2, 0.1, 0.1, 0.0)).telling("m", ("+0.1",))
    assert (telling.count, telling.unpaired) == (1, 1.0)


def test_values_that_are_no_finite_numbers_are_left_out_and_written_as_null(tmp_path):
    shifted = report((math.inf, 0.5, 0.5, 0.0), (0.6, 0.3, -math.inf, 0.0), (0.6, 0.3, 0.2, 0.0))
    assert shifted.telling("m", ("+0.1",)).count == 2
    assert shifted.score("m", ("right",)).left_out == 1
    assert (shifted.slope("m").count, shifted.slope("m").left_out) == (1, 2)
    shifted.write(tmp_path / "s.json")
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["clips"]["0"]["values"]["m"]["right"] is None
    assert content["scores"]["m"]["right"]["mean"] == pytest.approx(0.6)
