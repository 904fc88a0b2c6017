"""A sync classifier as a measure."""

import json

import pytest
import torch
import yaml

from asva_lightning.cli import main
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.evaluation.sync_classifier import SyncClassifierScore
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_scoring, write_released

FORMAT = ClipFormat(frames=12, fps=6, height=20, width=24)


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return SyncClassifier((4, 6), 1).eval()


@pytest.fixture
def file(classifier, tmp_path):
    write_released(classifier, tmp_path / "sync.safetensors")
    return str(tmp_path / "sync.safetensors")


def clip(format=FORMAT, seed=0):
    random = torch.Generator().manual_seed(seed)
    size = (3, format.frames, format.height, format.width)
    pixels = torch.randint(256, size, generator=random, dtype=torch.uint8)
    return EvaluatedClip("a", pixels, torch.rand(format.samples, generator=random) - 0.5, "noise")


@torch.no_grad()
def test_the_score_is_that_of_the_network(classifier, file):
    one = clip()
    expected = classifier(log_mel(one.waveform)[None], for_scoring(one.pixels, 16)[None])
    assert SyncClassifierScore(file, picture=16).measure(one, FORMAT) == pytest.approx(float(expected), rel=1e-5)


def test_a_run_folder_says_what_its_classifier_sees(classifier, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    settings = {"picture": 16, "windows": {"count": 8, "shift": 0.4, "frames": 6, "fps": 12.0}}
    (run / "config.yaml").write_text(yaml.safe_dump({"model": {"class_path": "x", "init_args": settings}}))
    with pytest.raises(WeightsError, match="has no checkpoint yet"):
        SyncClassifierScore(str(run))
    for step, factor in ((50, 0.0), (100, 1.0)):
        weights = {f"classifier.{name}": tensor * factor for name, tensor in classifier.state_dict().items()}
        torch.save({"state_dict": weights}, run / "checkpoints" / f"step_{step:06d}.ckpt")
    judge = SyncClassifierScore(str(run))
    assert (judge.picture, judge.window.frames, judge.window.fps) == (16, 6, 12.0)
    newest = SyncClassifierScore(str(run / "checkpoints" / "step_000100.ckpt"))
    assert judge.measure(clip(), FORMAT) == newest.measure(clip(), FORMAT) != 0


def test_clips_that_are_too_short_or_of_another_rate(file):
    short = ClipFormat(frames=6, fps=6, height=20, width=24)
    with pytest.raises(ConfigurationError, match="span 2 s, but a clip of 6 frames"):
        SyncClassifierScore(file, picture=16).measure(clip(short), short)
    other = ClipFormat(frames=12, fps=6, height=20, width=24, sample_rate=8000)
    with pytest.raises(ConfigurationError, match=r"hears sound of 16000 .* Set --format.sample_rate"):
        SyncClassifierScore(file, picture=16).measure(clip(other), other)
    with pytest.raises(WeightsError, match="nowhere is missing"):
        SyncClassifierScore("nowhere")


def test_it_is_put_to_the_shift_test_by_yaml(clip_folder, file, tmp_path):
    about = {"class_path": "asva_lightning.evaluation.sync_classifier.SyncClassifierScore",
             "init_args": {"weights": file, "picture": 16}}  # fmt: skip
    (tmp_path / "judges.yaml").write_text(yaml.safe_dump({"judges": {"sync": about}}))
    output = tmp_path / "s.json"
    words = [f"--reference={clip_folder}", f"--output={output}", f"--config={tmp_path / 'judges.yaml'}", "--workers=1"]
    main(["evaluate", "--shift-test", *words, "--measures=[]", "--format.height=20", "--format.width=24"])
    content = json.loads(output.read_text())
    assert list(content["scores"]) == ["sync"]
    assert len(content["protocol"]["weights"]["sync"]) == 64
