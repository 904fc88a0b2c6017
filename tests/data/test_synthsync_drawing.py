"""Shapes, colours and the canvas of the synthetic data set."""

import numpy as np
import pytest

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import background, coloured
from asva_lightning.data.synthsync.shapes import Capsule, Ellipse, Rays, Slab

TIMES = np.arange(3, dtype=np.float32) / 30


def canvas(side=100, **options):
    return Canvas(np.zeros((3, side, side), dtype=np.float32), TIMES, **options)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (Ellipse(0.1, -0.2, 0.5), np.pi * 0.25),
        (Ellipse(0.0, 0.0, 0.6, 0.3), np.pi * 0.18),
        (Capsule(-0.4, -0.1, 0.4, 0.3, 0.1), np.hypot(0.8, 0.4) * 0.2 + np.pi * 0.01),
        (Slab(0.0, 0.2, 0.5, 0.25, corner=0.0), 0.5),
        (Slab(0.0, 0.0, 0.5, 0.25, corner=0.0, angle=0.7), 0.5),
        (Rays(0.0, 0.0, 0.4, 0.8, count=5, radius=0.05), 5 * (0.4 * 0.1 + np.pi * 0.0025)),
    ],
)
def test_shapes_cover_their_area(shape, area):
    drawn = canvas()
    drawn.paint(shape, (1.0, 0.5, 0.0))
    red, green, blue = drawn.pixels.sum(axis=(1, 2, 3)) * (2 / 100) ** 2
    assert red == pytest.approx(area, rel=0.02)
    assert green == pytest.approx(red / 2, rel=1e-3)
    assert blue == 0


def test_a_parameter_for_each_frame_moves_a_shape():
    drawn = canvas()
    drawn.paint(Ellipse(np.array([-0.5, 0.0, 0.5], dtype=np.float32), 0.0, 0.2), (1.0, 1.0, 1.0))
    centres = drawn.pixels[0].sum(axis=1) @ np.arange(100) / drawn.pixels[0].sum(axis=(1, 2))
    assert centres == pytest.approx([24.5, 49.5, 74.5], abs=0.05)


def test_a_still_canvas_holds_one_picture_and_a_mirror_turns_it_round():
    plain, mirrored = canvas(), canvas(mirror=True)
    for drawn in (plain, mirrored):
        drawn.paint(Capsule(-0.7, 0.2, 0.1, 0.5, 0.1), (1.0, 1.0, 1.0))
    assert plain.pixels.shape == (3, 1, 100, 100)
    assert np.allclose(plain.pixels, mirrored.pixels[..., ::-1], atol=1e-5)


def test_what_lies_outside_is_cut_off():
    drawn = canvas(20)
    drawn.paint(Ellipse(3.0, 0.0, 0.5), (1.0, 1.0, 1.0))
    assert drawn.pixels.max() == 0
    drawn.paint(Ellipse(-1.0, -1.0, 0.5), (1.0, 1.0, 1.0))
    assert drawn.pixels.sum() / 3 * 0.01 == pytest.approx(np.pi * 0.25 / 4, rel=0.05)


def test_opacity_and_softness():
    drawn = canvas()
    drawn.paint(Ellipse(0.0, 0.0, 0.5), (1.0, 1.0, 1.0), opacity=np.array([0, 0.5, 1], dtype=np.float32), softness=0.4)
    assert drawn.pixels[0, :, 50, 50] == pytest.approx([0, 0.5, 1])
    assert 0.3 < drawn.pixels[0, 2, 50, 76] < 0.6


def test_a_colour_has_the_luma_that_was_asked_for():
    for hue in np.linspace(0, 1, 12):
        for luma in (0.1, 0.4, 0.8):
            colour = coloured(float(hue), 0.8, luma)
            assert np.dot(colour, (0.299, 0.587, 0.114)) == pytest.approx(luma)
            assert all(0 <= part <= 1 for part in colour)


@pytest.mark.parametrize(("night", "low", "high"), [(True, 0.05, 0.25), (False, 0.69, 0.91)])
def test_backgrounds_stay_in_their_range(night, low, high):
    for seed in range(12):
        picture = background(np.random.default_rng(seed), 24, 40, night)
        luma = np.tensordot((0.299, 0.587, 0.114), picture, axes=1)
        assert picture.shape == (3, 24, 40)
        assert low < luma.min() <= luma.max() < high
