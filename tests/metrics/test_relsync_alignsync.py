"""RelSync and AlignSync against their formulas in double precision: of numbers, and by small random networks."""

import numpy as np
import pytest
import torch
from judged_clips import FORMAT, clips, small_classifier

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import log_mel
from asva_lightning.metrics.alignsync import AlignSync, align_sync
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.image_audio import image_audio_similarity
from asva_lightning.metrics.relsync import RelSync, rel_sync
from asva_lightning.metrics.sync_classifier import for_scoring

RATE = 16_000


def numbers(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def test_rel_sync_is_its_formula():
    own, reference = 3 * numbers(50, seed=0), 3 * numbers(50, seed=1)
    expected = np.exp(own) / (np.exp(own) + np.exp(reference))
    assert np.abs(rel_sync(torch.tensor(own), torch.tensor(reference)).numpy() - expected).max() < 1e-14


def test_the_reference_itself_has_one_half_and_a_better_video_has_more():
    score = torch.tensor([-24.6, 3.0])
    assert rel_sync(score, score).tolist() == [0.5, 0.5]
    assert (rel_sync(score + 1, score) > 0.5).all()


def test_rel_sync_does_not_overflow():
    values = rel_sync(torch.tensor([500.0, -500.0]), torch.tensor([-500.0, 500.0]))
    assert values.tolist() == [1.0, 0.0]


def test_align_sync_is_its_formula():
    share = np.random.default_rng(0).uniform(size=20)
    frames, first = numbers(20, 11, seed=1), numbers(20, seed=2)
    ratio = np.exp(frames) / (np.exp(frames) + np.exp(first)[:, None])
    expected = share * ratio.mean(axis=1)
    ours = align_sync(*map(torch.tensor, (share, frames, first))).numpy()
    assert np.abs(ours - expected).max() < 1e-14


def test_a_true_video_whose_frames_are_alike_has_a_quarter():
    half, same = torch.full((3,), 0.5), torch.full((3, 11), 0.3)
    assert torch.allclose(align_sync(half, same, same[:, 0]), torch.tensor(0.25))


class OtherSound(AlignSync):
    """Samples are heard twice as loud; the truth is not."""

    def heard(self, waveform, sample_rate):
        return 2 * waveform


@pytest.fixture(scope="module")
def classifier():
    return small_classifier()


@pytest.fixture(scope="module")
def imagebind(reference):
    return ImageBind.from_original(reference("imagebind_small", "imagebind").weights, {"audio": 4, "vision": 4})


@pytest.fixture
def batch():
    """Samples, truth, sounds."""
    sound = torch.tensor([[0.02], [0.4]]) * torch.randn(2, FORMAT.samples, generator=torch.Generator().manual_seed(0))
    return clips(2, seed=0), clips(2, seed=1), sound


def scores(classifier, sound, pixels):
    with torch.no_grad():
        return classifier(log_mel(sound), for_scoring(pixels)).double().numpy()


def test_rel_sync_asks_the_classifier_about_samples_and_truth(classifier, batch):
    samples, truth, sound = batch
    own, true = scores(classifier, sound, samples), scores(classifier, sound, truth)
    values = RelSync(classifier).values(*batch, RATE).numpy()
    assert values == pytest.approx(100 * np.exp(own) / (np.exp(own) + np.exp(true)), rel=1e-4)
    assert abs(values - 50).min() > 0.01, "scores that do not differ prove nothing"
    assert RelSync(classifier).values(truth, truth, sound, RATE).tolist() == [50, 50]


def test_align_sync_weighs_it_by_imagebind_frame_by_frame(classifier, imagebind, batch):
    samples, truth, sound = batch
    own, true = scores(classifier, 2 * sound, samples), scores(classifier, sound, truth)
    frames = image_audio_similarity(imagebind, samples, 2 * sound, RATE)[:, 1:].double().numpy()
    first = image_audio_similarity(imagebind, truth, sound, RATE)[:, :1].double().numpy()
    share = np.exp(own) / (np.exp(own) + np.exp(true))
    expected = 100 * share * (np.exp(frames) / (np.exp(frames) + np.exp(first))).mean(axis=1)
    assert OtherSound(classifier, imagebind).values(*batch, RATE).numpy() == pytest.approx(expected, rel=1e-4)
    assert np.abs(AlignSync(classifier, imagebind).values(*batch, RATE).numpy() - expected).max() > 1e-3


def test_one_clip_and_the_mean(classifier, batch):
    samples, truth, sound = batch
    metric = RelSync(classifier)
    metric.update(*batch, RATE)
    values = metric.values(*batch, RATE)
    assert float(metric.compute()) == pytest.approx(float(values.mean()), rel=1e-5)
    clip = EvaluatedClip("a", samples[1], sound[1], "dog", truth[1])
    assert metric.measure(clip, FORMAT) == pytest.approx(float(values[1]), rel=1e-5)
    assert not list(metric.parameters())


def test_what_cannot_be_judged_is_refused(classifier, batch, tmp_path):
    samples, truth, sound = batch
    metric = RelSync(classifier)
    with pytest.raises(ConfigurationError, match="RelSync needs the truth beside the sample, and clip 'a' has none"):
        metric.measure(EvaluatedClip("a", samples[0], sound[0], "dog"), FORMAT)
    with pytest.raises(ConfigurationError, match="RelSync compares clips"):
        metric.values(samples[:, :, 1:], truth, sound, RATE)
    with pytest.raises(
        ConfigurationError, match=r"RelSync compares pixels of uint8, but the samples are torch\.float32"
    ):
        metric.values(samples.float(), truth, sound, RATE)
    with pytest.raises(ConfigurationError, match=r"at most 2.04 s of 16000 samples a second, not 4.00 s of 8000"):
        metric.values(samples, truth, sound.repeat(1, 2), 8000)
    with pytest.raises(ConfigurationError, match="not 3.00 s of 16000"):
        metric.values(samples, truth, sound.repeat(1, 3), RATE)
    with pytest.raises(WeightsError, match="checkpoint-40000/modules"):
        RelSync(tmp_path / "none")
