"""Frames for the classifier, against Pillow's bicubic filter."""

import numpy as np
import pytest
import torch
from PIL import Image

from asva_lightning.metrics.sync_classifier import for_scoring, for_training

MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711])


def clip(height, width, frames=2):
    return torch.randint(0, 256, (3, frames, height, width), generator=torch.Generator().manual_seed(0)).byte()


def pillow(frame, height, width):
    """One frame ``(3, h, w)`` resized in float and normalised."""
    colours = [
        np.asarray(Image.fromarray(colour.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
        for colour in frame.numpy()
    ]
    return (np.stack(colours) / 255 - MEAN[:, None, None]) / DEVIATION[:, None, None]


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (20, 30)])
def test_scoring_squashes(height, width):
    ours = for_scoring(clip(height, width), size=32)
    assert ours.shape == (3, 2, 32, 32)
    for frame in range(2):
        theirs = pillow(clip(height, width)[:, frame], 32, 32)
        assert np.abs(ours[:, frame].numpy() - theirs).max() < 1e-3


@pytest.mark.parametrize(("height", "width", "left", "top"), [(60, 91, 8, 0), (91, 60, 0, 8)])
def test_training_keeps_the_aspect_and_takes_the_centre(height, width, left, top):
    ours = for_training(clip(height, width), size=32)
    size = (32 * height // 60, 32 * width // 60)
    theirs = pillow(clip(height, width)[:, 1], *size)[:, top : top + 32, left : left + 32]
    assert ours.shape == (3, 2, 32, 32)
    assert np.abs(ours[:, 1].numpy() - theirs).max() < 1e-3


def test_the_right_size_is_not_filtered():
    pixels = clip(32, 32)
    expected = (pixels.numpy() / 255 - MEAN[:, None, None, None]) / DEVIATION[:, None, None, None]
    for prepared in (for_training(pixels, 32), for_scoring(pixels, 32)):
        assert np.abs(prepared.numpy() - expected).max() < 1e-5


def test_batches_are_clips_one_by_one():
    pixels = torch.stack([clip(20, 30), clip(20, 30).flip(-1)])
    for prepare in (for_training, for_scoring):
        together = prepare(pixels, 16)
        assert torch.allclose(together[1], prepare(pixels[1], 16))
        assert not torch.allclose(together[0], together[1])
