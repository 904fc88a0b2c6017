"""What measures share of a clip is computed once."""

import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics import analysis
from asva_lightning.metrics.av_align import AVAlign, av_align
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.motion_correlation import MotionCorrelation
from asva_lightning.metrics.motion_energy_ratio import MotionEnergyRatio
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation

FORMAT = ClipFormat(frames=12, fps=6, height=16, width=16)


def clip() -> EvaluatedClip:
    torch.manual_seed(0)
    pixels, truth = torch.randint(256, (2, 3, 12, 16, 16), dtype=torch.uint8)
    return EvaluatedClip("a", pixels, torch.rand(FORMAT.samples) - 0.5, "noise", truth)


def test_motion_flow_and_onsets_are_computed_once(monkeypatch):
    calls = []
    for name in ("motion_curve", "flow_curve", "spectral_flux"):
        real = getattr(analysis, name)
        monkeypatch.setattr(analysis, name, lambda *a, name=name, real=real: calls.append(name) or real(*a))
    one = clip()
    for measure in (OnsetF1(), OnsetMotionCorrelation(), AVAlign(), MotionCorrelation(), MotionEnergyRatio()):
        measure.measure(one, FORMAT)
    assert sorted(calls) == ["flow_curve", "motion_curve", "motion_curve", "spectral_flux"]  # sample and truth
    silent = one.with_sound(torch.zeros(FORMAT.samples))
    value = AVAlign().measure(silent, FORMAT)
    MotionCorrelation().measure(silent, FORMAT)
    assert sorted(calls) == ["flow_curve", "motion_curve", "motion_curve", "spectral_flux", "spectral_flux"]
    assert value == float(av_align(silent.waveform[None], one.pixels[None], 6, 16_000))


@pytest.mark.parametrize("measure", [MotionEnergyRatio(), MotionCorrelation()])
def test_a_comparison_needs_the_truth(measure):
    alone = EvaluatedClip("x", clip().pixels, clip().waveform, "noise")
    with pytest.raises(ConfigurationError, match="needs the truth beside the sample, and clip 'x' has none"):
        measure.measure(alone, FORMAT)
