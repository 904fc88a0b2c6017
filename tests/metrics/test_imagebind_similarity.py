"""IA and IT by a small ImageBind, against NumPy in double precision."""

import numpy as np
import pytest
import torch
from judged_clips import FORMAT, clips
from transformers import CLIPTokenizer

from asva_lightning.encoders.imagebind import ImageBind, prepare_pictures, tokenize
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.image_audio import ImageAudioSimilarity, image_audio_similarity
from asva_lightning.metrics.image_text import ImageTextSimilarity
from asva_lightning.metrics.imagebind_embeddings import sound_embeddings

LONG = ClipFormat(frames=3, fps=0.6, height=12, width=20)
TEXTS = ["dog barking", "hammering"]


@pytest.fixture(scope="module")
def network(reference):
    weights = reference("imagebind_small", "imagebind").weights
    return ImageBind.from_original(weights, {"audio": 4, "vision": 4, "text": 4})


@pytest.fixture(scope="module")
def tokenizer(stable_diffusion):
    return CLIPTokenizer.from_pretrained(stable_diffusion, subfolder="tokenizer")


def sounds(format, seed=0):
    loudness = torch.tensor([[0.02], [0.5]])
    return loudness * torch.randn(2, format.samples, generator=torch.Generator().manual_seed(seed))


def unit(vectors):
    values = vectors.double().numpy()
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@torch.no_grad()
def similarity_by_numpy(network, pixels, others):
    """Mean cosine of the frames from the second on and one vector per clip, x 100."""
    frames = [unit(network.embed("vision", prepare_pictures(clip.transpose(0, 1)[1:]))) for clip in pixels]
    return [100 * (clip @ other).mean() for clip, other in zip(frames, others)]


@torch.no_grad()
def test_ia_and_it_are_their_formula(network, tokenizer):
    pixels, sound = clips(2, seed=0), sounds(FORMAT)
    pixels[:, :, 0] = 255 - pixels[:, :, 0]
    heard = unit(network.embed("audio", log_mel(sound)))
    ia = ImageAudioSimilarity(network).values(pixels, sound, 16_000)
    assert ia.numpy() == pytest.approx(similarity_by_numpy(network, pixels, heard), abs=1e-3)
    read = unit(network.embed("text", tokenize(TEXTS, tokenizer)))
    it = ImageTextSimilarity(network, tokenizer).values(pixels, TEXTS)
    assert it.numpy() == pytest.approx(similarity_by_numpy(network, pixels, read), abs=1e-3)
    assert min(abs(values[0] - values[1]) for values in (ia, it)) > 0.1, "clips that do not differ prove nothing"


def test_every_frame_has_a_cosine_for_alignsync(network):
    cosines = image_audio_similarity(network, clips(2, seed=0), sounds(FORMAT), 16_000)
    assert cosines.shape == (2, 4)
    assert (cosines.abs() <= 1).all()


@torch.no_grad()
def test_longer_sound_is_heard_in_stretches_of_two_seconds(network):
    """Five seconds: from 0, 1.5 and 3 s."""
    sound = sounds(LONG, seed=3)
    stretches = [sound[:, start : start + 32_000] for start in (0, 24_000, 48_000)]
    mean = sum(unit(network.embed("audio", log_mel(stretch))) for stretch in stretches)
    expected = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    assert np.abs(sound_embeddings(network, sound, 16_000).numpy() - expected).max() < 1e-5


def test_one_clip_gives_the_same_as_its_batch(network, tokenizer):
    pixels, sound = clips(2, seed=0), sounds(FORMAT)
    clip = EvaluatedClip("a", pixels[1], sound[1], TEXTS[1])
    for metric, batch in (
        (ImageAudioSimilarity(network), (pixels, sound, 16_000)),
        (ImageTextSimilarity(network, tokenizer), (pixels, TEXTS)),
    ):
        assert metric.measure(clip, FORMAT) == pytest.approx(float(metric.values(*batch)[1]), abs=1e-3)
        metric.update(*batch)
        assert float(metric.compute()) == pytest.approx(float(metric.values(*batch).mean()), abs=1e-4)
        assert metric.higher_is_better is True
        assert not list(metric.parameters())


def test_it_finds_the_tokenizer_in_the_folder_of_stable_diffusion(network, tokenizer, stable_diffusion):
    found, given = (ImageTextSimilarity(network, source) for source in (str(stable_diffusion), tokenizer))
    pixels = clips(2, seed=0)
    assert torch.equal(found.values(pixels, TEXTS), given.values(pixels, TEXTS))


def test_what_imagebind_cannot_judge_is_refused(network, tmp_path):
    pixels, sound = clips(2, seed=0), sounds(FORMAT)
    metric = ImageAudioSimilarity(network)
    with pytest.raises(ConfigurationError, match="16000 samples a second, not 8000"):
        metric.values(pixels, sound, 8000)
    with pytest.raises(ConfigurationError, match="The first frame is given to the model"):
        metric.values(pixels[:, :, :1], sound, 16_000)
    with pytest.raises(ConfigurationError, match=r"clips \(b, 3, f, h, w\), not \(3, 4, 12, 20\)"):
        metric.values(pixels[0], sound, 16_000)
    with pytest.raises(WeightsError, match=r"imagebind_huge.pth .*licence: CC BY-NC-SA 4.0"):
        ImageAudioSimilarity(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"tokenizer .*licence: CreativeML OpenRAIL-M"):
        ImageTextSimilarity(network, str(tmp_path / "none"))
