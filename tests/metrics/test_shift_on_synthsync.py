"""A sync measure is worth something if it falls when the sound is shifted.

The events of SynthSync are at least 0.62 s apart, so up to 0.4 s of shift no sound meets the motion of another event;
further out some do, by chance.
"""

from collections import defaultdict
from statistics import mean

import pytest

from asva_lightning.data.synthsync import SynthSync
from asva_lightning.evaluation.score import score
from asva_lightning.evaluation.shift import shifted_window
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation

DISCRETE = ("ball", "drum", "hammer", "lamp", "firework", "frog")
MEASURES = {"onset_f1": OnsetF1(), "onset_motion_correlation": OnsetMotionCorrelation(), "av_align": AVAlign()}
NEAR, FAR = (0.0, 0.1, 0.2, 0.3, 0.4), (0.5, 0.7, 1.0)
START, CLIPS, SIDE = 2.0, 24, 40


def shifted_clips(source, format, shift):
    """The window of a source at the format's rate, with its sound late and early by the shift."""
    first, step = round(START * source.fps), round(source.fps / format.fps)
    pixels = source.pixels[:, first::step][:, : format.frames]
    for late in (shift, -shift):
        sound = shifted_window(source.waveform, format.sample_rate, START, format.seconds, late)
        assert sound is not None
        yield EvaluatedClip(f"{source.key} {late:+}", pixels, sound, source.kind)
        if shift == 0:
            return


@pytest.fixture(scope="module")
def sources():
    data = SynthSync(kinds=DISCRETE, test=CLIPS, height=SIDE, width=SIDE, two_objects=0.0)
    return [data.render("test", index) for index in range(CLIPS)]


@pytest.fixture(scope="module", params=[pytest.param(30, marks=pytest.mark.slow), 6], ids=["30fps", "6fps"])
def scores(request, sources):
    """Of each measure, the score of each kind at each shift."""
    format = ClipFormat(frames=2 * request.param, fps=request.param, height=SIDE, width=SIDE)
    table = defaultdict(dict)
    for shift in NEAR + FAR:
        results = score((clip for source in sources for clip in shifted_clips(source, format, shift)), MEASURES, format)
        for name in MEASURES:
            # AV-Align does not know that motion may lead by more than a frame, which hammers do.
            kinds = [kind for kind in DISCRETE if name != "av_align" or kind != "hammer"]
            table[name][shift] = mean(results.of_class(name, kind).mean for kind in kinds)
    return request.param, table


@pytest.mark.parametrize(("name", "least"), [("onset_f1", 0.7), ("onset_motion_correlation", 0.6), ("av_align", 0.5)])
def test_the_truth_is_near_the_top(name, least, scores):
    _, table = scores
    assert table[name][0.0] > least


@pytest.mark.parametrize("name", MEASURES)
def test_far_shifts_stay_clearly_below_the_truth(name, scores):
    _, table = scores
    assert max(table[name][shift] for shift in FAR) < 0.7 * table[name][0.0]


@pytest.mark.parametrize("name", MEASURES)
def test_scores_fall_to_0_4_s(name, scores):
    fps, table = scores
    # A shift within AV-Align's window of one frame changes nothing.
    shifts = [shift for shift in NEAR if name != "av_align" or shift == 0 or shift > 1 / fps]
    values = [table[name][shift] for shift in shifts]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2 * values[0]
