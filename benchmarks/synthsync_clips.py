"""Test clips of SynthSync for benchmarks, rendered in memory at a run's clip format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asva_lightning.data import SynthSync
from asva_lightning.media import ClipFormat


@dataclass(frozen=True)
class RenderedClip:
    """A whole synthetic clip.

    Args:
        key: Its key.
        text: Its class text.
        pixels: ``(3, f, h, w)`` uint8 at the frame rate of the clip format.
        waveform: ``(samples,)`` at the format's sample rate, as long as the picture.
        objects: What stands where, see SynthSync; ``sounds`` tells which one moves.
    """

    key: str
    text: str
    pixels: Tensor
    waveform: Tensor
    objects: list[dict[str, Any]]


def test_clips(config: dict[str, Any], count: int, two_objects: float, format: ClipFormat) -> Iterator[RenderedClip]:
    """Test clips of the kinds that a run was trained on, of a seed that it has not seen.

    Args:
        config: The run's configuration.
        count: How many.
        two_objects: Share of clips with a second object.
        format: The run's clip format.
    """
    kinds = config["data"]["generator"]["kinds"]
    source = SynthSync(
        kinds=kinds, train=1, validation=1, test=count, height=format.height, width=format.width,
        two_objects=two_objects, seed=1000,
    )  # fmt: skip
    for number in range(count):
        clip = source.render("test", number)
        frames = int(clip.seconds * format.fps)
        places = torch.arange(frames) / format.fps * clip.fps
        pixels = clip.pixels[:, places.round().long().clamp(max=clip.pixels.shape[1] - 1)]
        samples = round(frames / format.fps * format.sample_rate)
        yield RenderedClip(clip.key, clip.text, pixels, clip.waveform[:samples], clip.objects)
