"""Charts of means with intervals, as one SVG."""

import math
from xml.etree import ElementTree

import pytest

from asva_lightning.pages.panels import Panel, Point, panels_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_has_a_line_a_band_and_numbers():
    points = [Point(-1, 0.0, -0.5, 0.5), Point(0, 1.0, 0.5, 1.5), Point(1, math.nan, 0, 0), Point(2, 0.5, 0.0, 1.0)]
    picture = ElementTree.fromstring(panels_svg([Panel("a < b", points, "late"), Panel("nothing", [])]))
    (line,) = picture.findall(f".//{SVG}polyline")
    places = [tuple(map(float, place.split(","))) for place in line.get("points").split()]
    assert len(places) == 3
    assert places[1][0] - places[0][0] == pytest.approx((places[2][0] - places[0][0]) / 3, abs=0.2)
    assert places[1][1] < places[2][1] < places[0][1]  # up is more
    (band,) = picture.findall(f".//{SVG}polygon")
    assert len(band.get("points").split()) == 6
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts == ["a < b", "-0.5", "1.5", "-1", "0", "2", "late"]


def test_numbers_below_the_axis_do_not_run_into_each_other():
    places = (-1, -0.7, -0.4, -0.2, -0.1, 0, 0.1, 0.2, 0.4, 0.7, 1)
    panel = Panel("onset_f1", [Point(x, 0.5, 0.4, 0.6) for x in places])
    texts = [text for _, text in panel.ticks]
    assert texts == ["-1", "-0.7", "-0.4", "-0.2", "", "0", "", "0.2", "0.4", "0.7", "1"]
