"""What a measure cannot do with a format is told by a clip of nothing."""

import pytest
import torch
from judges_for_tests import Longer

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.blank_clip import check_measures
from asva_lightning.evaluation.measures import WEIGHT_FREE
from asva_lightning.media.format import ClipFormat


class OfThisClip:
    """Draws, and does not like the clip."""

    higher_is_better = None

    def measure(self, clip, format):
        torch.rand(3)
        raise MediaError(clip.key, "is silent")


def test_a_good_format_trips_no_measure_and_nothing_is_drawn():
    state = torch.get_rng_state()
    measures = {name: make() for name, make in WEIGHT_FREE.items()} | {"of this clip": OfThisClip()}
    check_measures(measures, ClipFormat(6, 6, 16, 16))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "format", "reason"),
    [
        ("onset_f1", ClipFormat(8, 4, 16, 16), "OnsetF1 has tolerance=0.1 s"),
        ("ssim", ClipFormat(6, 6, 16, 8), "SSIM looks through windows of 11 pixels"),
        ("av_align", ClipFormat(1, 6, 16, 16), ""),
    ],
)
def test_a_measure_that_cannot_is_named(name, format, reason):
    with pytest.raises(ConfigurationError, match=f"{name} cannot judge clips of this format: {reason}"):
        check_measures({name: WEIGHT_FREE[name]()}, format)


def test_a_measure_of_sets_that_cannot_is_named():
    with pytest.raises(
        ConfigurationError, match="fvd cannot judge clips of this format: Longer needs 99 frames, not 6"
    ):
        check_measures({}, ClipFormat(6, 6, 16, 16), {"fvd": Longer()})
