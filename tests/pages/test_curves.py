"""Scalars as line charts."""

import json
import math

from asva_lightning.pages.curves import BOTTOM, HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, Curve, read_curves


def write(path, lines):
    path.write_text("".join(json.dumps({"time": "2025-01-01T00:00:00+00:00", **line}) + "\n" for line in lines))
    return read_curves(path)


def test_curves_are_read_by_name_and_later_lines_win(tmp_path):
    curves = write(
        tmp_path / "m.jsonl",
        [{"step": 1, "b": 1.0}, {"step": 2, "b": 5.0, "a": 2, "epoch": 0}, {"step": 2, "b": 3.0}, {"step": 1, "a": 7}],
    )
    assert [(curve.name, list(curve.points)) for curve in curves] == [
        ("a", [(1, 7.0), (2, 2.0)]),
        ("b", [(1, 1.0), (2, 3.0)]),
    ]
    assert read_curves(tmp_path / "missing.jsonl") == []


def test_a_curve_fills_its_chart():
    curve = Curve("loss", [(0, 4.0), (50, 2.0), (100, 3.0)], last_step=100)
    assert curve.lines == [
        f"{LEFT:.1f},{TOP:.1f} {(LEFT + WIDTH - RIGHT) / 2:.1f},{HEIGHT - BOTTOM:.1f} "
        f"{WIDTH - RIGHT:.1f},{(TOP + HEIGHT - BOTTOM) / 2:.1f}"
    ]
    assert (curve.low, curve.high, curve.latest) == (2.0, 4.0, "3")
    assert curve.dots[1][:2] == (50, "2")


def test_numbers_that_are_none_break_the_line():
    curve = Curve("loss", [(0, 1.0), (1, math.nan), (2, math.inf), (3, 2.0)], last_step=3)
    assert len(curve.lines) == 2
    assert [dot[0] for dot in curve.dots] == [0, 3]
    assert Curve("loss", [(0, math.nan)], last_step=0).lines == []


def test_a_long_run_is_thinned_but_keeps_its_spikes_and_its_end(tmp_path):
    lines = [{"step": step, "loss": 1.0 + step / 1e6} for step in range(5000)]
    lines[2345]["loss"] = 99.0
    lines[3456]["loss"] = -99.0
    (curve,) = write(tmp_path / "m.jsonl", lines)
    assert len(curve.points) <= MOST_POINTS + 1
    assert (2345, 99.0) in curve.points
    assert (3456, -99.0) in curve.points
    assert curve.points[-1] == (4999, lines[-1]["loss"])
