import pytest
import torch

from asva_lightning.evaluation.shift import shifted_window

RATE = 100
SOURCE = torch.arange(800.0)


@pytest.mark.parametrize(("shift", "first"), [(0.0, 300), (0.5, 250), (-1.0, 400), (3.0, 0), (-3.0, 600)])
def test_the_window_is_the_sources_own_sound(shift, first):
    window = shifted_window(SOURCE, RATE, start=3.0, seconds=2.0, shift=shift)
    assert torch.equal(window, SOURCE[first : first + 200])


def test_late_sound_makes_an_event_late():
    source = torch.zeros(800)
    source[400] = 1
    assert int(shifted_window(source, RATE, start=3.0, seconds=2.0, shift=0.3).argmax()) == 130


@pytest.mark.parametrize("shift", [3.1, -3.1])
def test_no_sound_is_made_up(shift):
    assert shifted_window(SOURCE, RATE, start=3.0, seconds=2.0, shift=shift) is None


@pytest.mark.parametrize("shift", [-1 / 3, 1 / 3])
@pytest.mark.parametrize("seconds", [6 / 7, 29 / 30, 1.0])
def test_a_window_that_ends_with_its_source_has_its_sound_whatever_is_rounded(seconds, shift):
    source = torch.arange(float(round((seconds + 2 / 3) * RATE)))
    window = shifted_window(source, RATE, start=1 / 3, seconds=seconds, shift=shift)
    assert len(window) == round(seconds * RATE)
    assert window[0] == pytest.approx((1 / 3 - shift) * RATE, abs=1)
