"""Guidance against sums written out by hand; e(text, audio) is the prediction under these conditions."""

import math

import pytest
import torch

from asva_lightning.diffusion import Guidance
from asva_lightning.diffusion.guidance import Pass, combine, conditions_of
from asva_lightning.encoders import Conditions
from asva_lightning.errors import ConfigurationError

FULL, TEXT, AUDIO, NONE = Pass(True, True), Pass(True, False), Pass(False, True), Pass(False, False)
SKIPPED, SILENT = Pass(True, True, skip_audio=True), Pass(False, True, skip_audio=True)


@pytest.fixture(scope="module")
def e():
    generator = torch.Generator().manual_seed(0)
    passes = (FULL, TEXT, AUDIO, NONE, SKIPPED, SILENT)
    return {each: torch.randn(2, 3, dtype=torch.float64, generator=generator) for each in passes}


CASES = {
    "the method's default": (Guidance(), lambda e: e[TEXT] + 4 * (e[FULL] - e[TEXT]), 2),
    "text and audio": (
        Guidance(audio=4, text=3),
        lambda e: e[NONE] + 3 * (e[TEXT] - e[NONE]) + 4 * (e[FULL] - e[TEXT]),
        3,
    ),
    "equal scales": (Guidance(audio=4, text=4), lambda e: e[NONE] + 4 * (e[FULL] - e[NONE]), 2),
    "text only": (Guidance(audio=1, text=3), lambda e: e[AUDIO] + 3 * (e[FULL] - e[AUDIO]), 2),
    "text only, audio below 1": (Guidance(audio=0, text=3), lambda e: e[AUDIO] + 3 * (e[FULL] - e[AUDIO]), 2),
    "none": (Guidance(audio=1, text=1), lambda e: e[FULL], 1),
    "none, both below 1": (Guidance(audio=0.5, text=0.5), lambda e: e[FULL], 1),
    "a text scale below 1 counts as 1": (Guidance(audio=4, text=0), lambda e: e[TEXT] + 4 * (e[FULL] - e[TEXT]), 2),
    "sync only": (Guidance(audio=1, sync=2), lambda e: e[FULL] + 2 * (e[FULL] - e[SKIPPED]), 2),
    "sync and audio": (
        Guidance(audio=4, sync=2),
        lambda e: e[TEXT] + 4 * (e[FULL] - e[TEXT]) + 2 * (e[FULL] - e[SKIPPED]),
        3,
    ),
    "sync and text": (
        Guidance(audio=1, text=3, sync=2),
        lambda e: e[AUDIO] + 3 * (e[FULL] - e[AUDIO]) + 2 * (e[FULL] - e[SKIPPED]),
        3,
    ),
    "all": (
        Guidance(audio=4, text=3, sync=2),
        lambda e: e[NONE] + 3 * (e[TEXT] - e[NONE]) + 4 * (e[FULL] - e[TEXT]) + 2 * (e[FULL] - e[SKIPPED]),
        4,
    ),
}


@pytest.mark.parametrize(("guidance", "by_hand", "passes"), CASES.values(), ids=CASES.keys())
def test_weights_are_the_sum_written_out(e, guidance, by_hand, passes):
    weights = guidance.weights()
    torch.testing.assert_close(combine(e, weights), by_hand(e))
    assert len(weights) == passes
    assert sum(weights.values()) == pytest.approx(1)


SILENT_CASES = {
    "audio": (Guidance(audio=4), lambda e: e[SKIPPED], 1),
    "audio and sync": (Guidance(audio=4, sync=2), lambda e: e[SKIPPED], 1),
    "text": (Guidance(audio=4, text=3, sync=2), lambda e: e[SILENT] + 3 * (e[SKIPPED] - e[SILENT]), 2),
    "text, audio off": (Guidance(audio=1, text=3), lambda e: e[SILENT] + 3 * (e[SKIPPED] - e[SILENT]), 2),
}


@pytest.mark.parametrize(("guidance", "by_hand", "passes"), SILENT_CASES.values(), ids=SILENT_CASES.keys())
def test_without_audio_there_is_only_text_to_guide_by(e, guidance, by_hand, passes):
    weights = guidance.weights(with_audio=False)
    torch.testing.assert_close(combine(e, weights), by_hand(e))
    assert len(weights) == passes


@pytest.mark.parametrize("name", ["audio", "text", "sync"])
def test_a_negative_scale_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"Guidance by {name} cannot be negative, but is -0.5"):
        Guidance(**{name: -0.5})


@pytest.fixture
def given():
    mask = torch.ones(4, 5, dtype=torch.bool)
    return Conditions(torch.ones(2, 3, 4), torch.ones(2, 5, 6), mask)


@pytest.fixture(params=[1, 2], ids=["one null for all clips", "one null a clip"])
def null(request):
    return Conditions(torch.zeros(request.param, 3, 4), torch.zeros(request.param, 5, 6))


@pytest.mark.parametrize(
    ("evaluation", "text", "audio"),
    [(FULL, 1, 1), (TEXT, 1, 0), (AUDIO, 0, 1), (NONE, 0, 0), (SKIPPED, 1, None), (SILENT, 0, None)],
)
def test_what_the_network_is_told_in_a_pass(given, null, evaluation, text, audio):
    told = conditions_of(evaluation, given, null)
    assert torch.equal(told.text, torch.full((2, 3, 4), float(text)))
    if audio is None:
        assert told.audio is None
    else:
        assert torch.equal(told.audio, torch.full((2, 5, 6), float(audio)))
        assert told.audio_mask is given.audio_mask


def test_guidance_by_audio_needs_the_encoding_of_no_sound(given, null):
    with pytest.raises(ConfigurationError, match="needs the encoding of no sound, but null_conditions has no audio"):
        conditions_of(TEXT, given, null.without_audio())


@pytest.mark.parametrize("name", ["audio", "text", "sync"])
@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_scales_are_finite(name, scale):
    with pytest.raises(ConfigurationError, match=f"Guidance by {name} must be a finite number, not {scale}"):
        Guidance(**{name: scale})
