"""Where judging networks run."""

import multiprocessing

import pytest
import torch
from judged_clips import FORMAT, SmallPictureNetwork, SmallVideoNetwork, clips, small_classifier
from torch import nn

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.alignsync import AlignSync
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.fvd import FVD
from asva_lightning.metrics.image_audio import ImageAudioSimilarity
from asva_lightning.metrics.judge import Judge
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.relsync import RelSync

CPU_CLIPS = torch.zeros(1, dtype=torch.uint8)


@pytest.fixture
def second_gpu(monkeypatch):
    """As on a rank whose GPU is the second one."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)


def test_clips_on_the_cpu_are_judged_on_the_gpu_of_the_rank_but_not_in_worker_processes(second_gpu, monkeypatch):
    network = JudgingNetwork(nn.Linear(1, 1))
    assert network.device_for(CPU_CLIPS) == torch.device("cuda", 1)
    assert network.device_for(torch.zeros(1, device="meta")) == torch.device("meta"), "clips that are elsewhere stay"
    assert JudgingNetwork(nn.Linear(1, 1), "cpu").device_for(CPU_CLIPS) == torch.device("cpu")
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the first process")
    assert network.device_for(CPU_CLIPS) == torch.device("cpu")
    assert JudgingNetwork(nn.Linear(1, 1), "meta").device_for(CPU_CLIPS) == torch.device("meta"), "as it is told"


def test_without_a_gpu_it_is_the_cpu():
    if not torch.cuda.is_available():
        assert JudgingNetwork(nn.Linear(1, 1)).device_for(CPU_CLIPS) == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_told_at_once(device):
    with pytest.raises(ConfigurationError, match=rf"cannot run on device '{device}' here: .* Take cpu, or leave"):
        RelSync(small_classifier(), device=device)
    with pytest.raises(ConfigurationError, match="cannot run on device"):
        Judge(lambda audio, video, format: audio, higher_is_better=True, device=device)


def test_every_measure_takes_the_clips_to_its_network_and_brings_the_answer_back(reference):
    """The device "meta" computes shapes only: all goes well until numbers are to come back from it."""
    towers = {"audio": 4, "vision": 4, "text": 4}
    imagebind = ImageBind.from_original(reference("imagebind_small", "imagebind").weights, towers)
    pixels, sound = clips(1, 0), torch.rand(1, FORMAT.samples)
    clip = EvaluatedClip("a", pixels[0], sound[0], "dog", pixels[0])
    for metric in (
        ImageAudioSimilarity(imagebind, device="meta"),
        RelSync(small_classifier(), device="meta"),
        AlignSync(small_classifier(), imagebind, device="meta"),
        Judge(SoundAndFrames(), True, device="meta"),
        Judge(lambda audio, video, format: SoundAndFrames()(audio, video, format), True, device="meta"),
    ):
        with pytest.raises((NotImplementedError, RuntimeError), match="out of meta tensor|on meta tensors"):
            metric.measure(clip, FORMAT)
    for metric in (FID(SmallPictureNetwork(), device="meta"), FVD(SmallVideoNetwork(), device="meta")):
        with pytest.raises(NotImplementedError, match="out of meta tensor"):
            metric.features(pixels[0], FORMAT)
        assert metric._network.network.shown[0].device.type == "meta"


class SoundAndFrames(nn.Module):
    """Adds both, so that they must be in one place."""

    def forward(self, audio, video, format):
        return audio.mean(dim=1) + video.float().flatten(1).mean(dim=1)
