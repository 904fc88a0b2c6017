import math
from dataclasses import replace

import pytest
import torch

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.score import score
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.motion_correlation import MotionCorrelation
from asva_lightning.metrics.onset_f1 import OnsetF1, onset_f1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation

FORMAT = ClipFormat(frames=20, fps=10, height=16, width=16)


def clip(key: str, text: str = "a click", times=(0.35, 1.15), reference_moves: bool = True) -> EvaluatedClip:
    pixels = torch.zeros(3, 20, 16, 16, dtype=torch.uint8)
    sound = torch.zeros(FORMAT.samples)
    for time in times:
        pixels[:, math.ceil(time * 10) :] = 255 - pixels[:, math.ceil(time * 10) :]
        sound[round(time * 16_000) : round(time * 16_000) + 16] = 0.5
    return EvaluatedClip(key, pixels, sound, text, pixels if reference_moves else torch.zeros_like(pixels))


def test_every_metric_judges_every_clip():
    measures = {
        "f1": OnsetF1(),
        "correlation": OnsetMotionCorrelation(),
        "align": AVAlign(),
        "motion": MotionCorrelation(),
    }
    clips = [clip("a"), clip("b", "two clicks", times=(0.4,), reference_moves=False)]
    results = score(iter(clips), measures, FORMAT, {"guidance": 4.0})
    assert list(results.values) == list(measures)
    expected = onset_f1(clips[0].waveform[None], clips[0].pixels[None], 10, 16_000)
    assert results.values["f1"] == {"a": float(expected), "b": 1.0}
    assert results.overall("motion").count == 1
    assert results.overall("motion").left_out == 1
    assert results.texts == {"a": "a click", "b": "two clicks"}
    assert results.facts == {"frames": 20, "fps": 10, "size": "16x16", "guidance": 4.0}


def test_scoring_leaves_the_state_of_a_metric_alone():
    metric = OnsetF1()
    metric.add(torch.tensor([0.25]))
    score([clip("a")], {"f1": metric}, FORMAT)
    assert float(metric.compute()) == 0.25


def test_a_measure_of_the_user_is_any_object_with_measure():
    class Loudness:
        higher_is_better = None

        def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
            return float(clip.waveform.abs().max())

    assert score([clip("a")], {"loudness": Loudness()}, FORMAT).values["loudness"] == {"a": 0.5}


def test_two_clips_of_one_name():
    with pytest.raises(ConfigurationError, match="Two clips are called 'a'. Give every clip a key of its own"):
        score([clip("a"), clip("a")], {"f1": OnsetF1()}, FORMAT)


def test_a_clip_that_does_not_fit_the_format():
    with pytest.raises(ConfigurationError, match=r"Clip 'a' has frames \(3, 20, 16, 16\).*set --data.format"):
        score([clip("a")], {"f1": OnsetF1()}, ClipFormat(frames=12, fps=6, height=16, width=16))


def test_what_would_be_a_quiet_number_is_refused():
    whole = clip("a")
    floats = replace(whole, pixels=torch.full(whole.pixels.shape, torch.nan))
    with pytest.raises(ConfigurationError, match=r"Clip 'a' has pixels of torch\.float32, not torch\.uint8"):
        score([floats], {"f1": OnsetF1()}, FORMAT)
    unheard = replace(whole, waveform=torch.full_like(whole.waveform, torch.nan))
    with pytest.raises(ConfigurationError, match="The sound of clip 'a' holds values that are no finite numbers"):
        score([unheard], {"f1": OnsetF1()}, FORMAT)


def test_an_infinite_value_is_left_out():
    class Endless:
        higher_is_better = True

        def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
            return math.inf

    results = score([clip("a")], {"endless": Endless()}, FORMAT)
    assert math.isnan(results.values["endless"]["a"])
    assert results.overall("endless").left_out == 1
