"""Matrices, and values against what they should be, as SVG files."""

import math
from xml.etree import ElementTree

import pytest

from asva_lightning.pages.matrices import CELL, Matrix, matrices_svg
from asva_lightning.pages.panels import Point
from asva_lightning.pages.scatter import Scatter

SVG = "{http://www.w3.org/2000/svg}"


def test_the_deeper_the_colour_the_larger_the_value():
    cells = Matrix("", [[0.5, 0.0], [-0.25, 0.25]]).cells(full=0.5)
    assert [cell.text for cell in cells] == ["0.50", "0.00", "-0.25", "0.25"]
    assert [cell.own for cell in cells] == [True, False, False, True]
    assert [(cell.x, cell.y) for cell in cells] == [(0, 0), (CELL, 0), (0, CELL), (CELL, CELL)]
    assert [cell.fill for cell in cells[:2]] == ["#1c6fd6", "#ffffff"]
    red, blue = (int(cells[2].fill[at : at + 2], 16) for at in (1, 5))
    assert red > blue  # negative values are orange
    assert (cells[0].ink, cells[1].ink) == ("#ffffff", "#20242b")


def test_matrices_stand_beside_each_other_and_inside_the_picture():
    tree = ElementTree.fromstring(
        matrices_svg([Matrix(f"<{n}>", [[1.0, math.nan], [0.2, 0.9]], "note") for n in range(6)], "made", "compared")
    )
    groups = tree.findall(f"{SVG}g")
    places = [tuple(map(int, group.get("transform")[10:-1].split())) for group in groups]
    assert len(set(places)) == 6
    assert len({y for _, y in places}) == 2  # four in the first row
    assert max(x for x, _ in places) + 2 * CELL < int(tree.get("width"))
    assert max(y for _, y in places) + 2 * CELL + 30 < int(tree.get("height"))
    texts = [text.text for text in groups[5].iter(f"{SVG}text")]
    assert texts[:2] == ["<5>", "note"]
    assert texts[-2:] == ["compared", "made"]
    assert "1" in texts
    assert "2" in texts


def test_a_value_that_is_as_it_should_be_lies_on_the_ideal_line():
    chart = Scatter("t", "x", "y", [(0.4, 0.4), (0.2, math.nan)], [Point(0.4, 0.3, 0.2, 0.5)], slope=0.5)
    x1, y1, x2, y2 = chart.line(1.0)
    [(x, y)] = chart.dots
    assert (y - y1) / (x - x1) == pytest.approx((y2 - y1) / (x2 - x1), abs=0.01)
    assert y < chart.y(0) < chart.y(-0.4)  # later is higher
    [(_, middle, low, high, text)] = chart.bars
    assert high < middle < low
    assert text == "0.4"
    tree = ElementTree.fromstring(chart.svg())
    assert len(tree.findall(f"{SVG}circle")) == 2
    without = ElementTree.fromstring(Scatter("t", "x", "y", [], [Point(0.4, math.nan, math.nan, math.nan)]).svg())
    assert not without.findall(f"{SVG}circle")
    assert len(tree.findall(f"{SVG}line")) == len(without.findall(f"{SVG}line")) + 2  # the fitted line and the interval
