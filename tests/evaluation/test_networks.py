"""The hash of judging weights finds them wherever a measure holds them."""

from functools import partial

import torch
from judges_for_tests import Loudness
from torch import nn

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.networks import networks, weights_digest
from asva_lightning.metrics.judge import Judge
from asva_lightning.metrics.legacy import ReadBackSound


class Caller:
    """A judge that is no network and holds its own under a name of its own, in a circle."""

    def __init__(self, net):
        self.held = {"models": [Frozen(net)]}
        self.me = self

    def __call__(self, audio, video, format):
        return torch.zeros(len(video))


def linear(weight):
    network = nn.Linear(2, 2, bias=False)
    nn.init.constant_(network.weight, weight)
    return network


def test_networks_are_found_inside_other_measures_and_under_any_name():
    net = linear(1.0)
    assert weights_digest(ReadBackSound(Loudness())) == weights_digest(Loudness()) != ""
    assert weights_digest(ReadBackSound(Loudness(2.0))) != weights_digest(Loudness())
    for call in (Caller(net), Caller(net).__call__, partial(Caller(net), format=None)):
        judge = Judge(call, higher_is_better=True)
        assert net in list(networks(judge))
        assert weights_digest(judge) != weights_digest(Judge(Caller(linear(2.0)), higher_is_better=True)) != ""
    assert weights_digest(Judge(lambda audio, video, format: video, higher_is_better=None)) == ""


def test_a_part_of_a_network_is_not_counted_again():
    whole = nn.Sequential(linear(1.0), nn.ReLU())
    whole.best = [whole[0]]  # as a plain attribute
    assert list(networks(whole)) == [whole]


def test_the_same_weights_elsewhere_are_the_same_measure(tmp_path):
    from asva_lightning.metrics.sync_classifier import SyncClassifier, write_released

    described = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(seed)
        write_released(SyncClassifier((4, 6), 1), tmp_path / f"{name}.safetensors")
        about = {"class_path": "asva_lightning.evaluation.sync_classifier.SyncClassifierScore",
                 "init_args": {"weights": str(tmp_path / f"{name}.safetensors"), "picture": 16}}  # fmt: skip
        panel = PanelDescription.of([], {"sync": about})
        described.append((panel.described("sync"), panel.build().weights()["sync"]))
    assert described[0] == described[1]
    assert described[0][0]["init_args"] == {"picture": 16}
    assert described[0][1] != described[2][1]
