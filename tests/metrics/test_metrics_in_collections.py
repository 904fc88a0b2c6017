"""Metrics as torchmetrics users have them: in a collection, by forward, with classes of any kind."""

import copy
import pickle

import pytest
import torch
from judged_clips import FORMAT, SmallPictureNetwork, clips
from sync_clips import RATE, drums, jumping_square
from torchmetrics import MetricCollection

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.kid import KID
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation
from asva_lightning.metrics.psnr import PSNR

EVENTS = [0.5, 1.2]


def test_measures_that_agree_on_the_first_batch_stay_apart():
    """Where nothing moves, all three are 0, and a collection would take them for one."""
    sound = drums(EVENTS, seconds=2.0)[None]
    moving = jumping_square([0.5, 1.3, 1.7], frames=60)[None]
    still = moving[:, :, :1].repeat(1, 1, 60, 1, 1)
    measures = {
        "f1": OnsetF1(), "strict": OnsetF1(tolerance=0.02, lead=0.02), "flow": AVAlign(), "r": OnsetMotionCorrelation(),
    }  # fmt: skip
    together = MetricCollection(copy.deepcopy(measures))
    for pixels in (still, moving):
        together.update(sound, pixels, 30.0, RATE)
        for measure in measures.values():
            measure.update(sound, pixels, 30.0, RATE)
    expected = {name: float(measure.compute()) for name, measure in measures.items()}
    assert len(set(expected.values())) == len(measures)
    assert {name: float(value) for name, value in together.compute().items()} == expected


def test_fid_and_kid_of_one_network_look_at_each_clip_once():
    network = SmallPictureNetwork()
    measures = MetricCollection({"fid": FID(network), "kid": KID(network)})
    measures.update(clips(3, seed=0), FORMAT, real=True)
    seen = len(network.shown)
    measures.update(clips(3, seed=1), FORMAT, real=False)
    assert len(network.shown) == seen + 3
    alone = KID(network)
    alone.update(clips(3, seed=0), FORMAT, real=True)
    alone.update(clips(3, seed=1), FORMAT, real=False)
    assert float(measures.compute()["kid"]) == float(alone.compute())


def test_forward_gives_the_batch_and_keeps_all():
    metric, truth = PSNR(), clips(3, seed=0)
    samples = clips(3, seed=1)
    of_batches = [float(metric(samples[:2], truth[:2])), float(metric(samples[2:], truth[2:]))]
    assert of_batches == pytest.approx(
        [float(PSNR().values(samples[a:b], truth[a:b]).mean()) for a, b in ((0, 2), (2, 3))]
    )
    assert float(metric.compute()) == pytest.approx((2 * of_batches[0] + of_batches[1]) / 3)
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        other.update(samples, truth)
        assert (other.count, metric.count) == (6, 3)


def test_forward_of_a_distance_between_sets_is_refused_and_loses_nothing():
    metric = FID(SmallPictureNetwork())
    metric.update(clips(2, seed=0), FORMAT, real=True)
    with pytest.raises(ConfigurationError, match=r"FID has no value for a batch.*Call update\(\.\.\.\)"):
        metric(clips(2, seed=1), FORMAT, real=False)
    metric.update(clips(2, seed=1), FORMAT, real=False)
    assert metric.compute() > 0


@pytest.mark.parametrize("classes", [[0.5, 1.0], ["dog", "cat"], [float("nan"), 1.0]], ids=str)
def test_classes_that_are_no_whole_numbers_are_refused(classes):
    metric, pixels = PSNR(), clips(2, seed=0)
    with pytest.raises(ConfigurationError, match="Classes are whole numbers"):
        metric.update(pixels, pixels.flip(0), classes=classes)


def test_classes_that_a_narrow_type_would_merge_are_refused():
    metric, pixels = PSNR(), clips(2, seed=0)
    metric.set_dtype(torch.bfloat16)
    metric.update(pixels, pixels.flip(0), classes=[255, 256])
    assert set(metric.compute_per_class()) == {255, 256}
    with pytest.raises(ConfigurationError, match=r"whole numbers that torch\.bfloat16 holds exactly, not \[256, 257\]"):
        metric.update(pixels, pixels.flip(0), classes=[256, 257])


def test_states_that_are_saved_go_into_a_fresh_metric():
    metric, pixels = PSNR(), clips(2, seed=0)
    metric.persistent(True)
    metric.update(pixels, pixels.flip(0))
    fresh = PSNR()
    fresh.load_state_dict(metric.state_dict())
    assert float(fresh.compute()) == float(metric.compute())
