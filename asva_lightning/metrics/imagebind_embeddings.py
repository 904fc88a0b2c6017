"""What ImageBind says of the frames, the sound and the text of clips; the similarities are cosines of these."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.nn.functional import normalize

from asva_lightning.encoders.imagebind import ImageBind, prepare_pictures, tokenize
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat, log_mel

SECONDS = 2
"""What ImageBind's audio tower hears at once."""

_loaded: WeakValueDictionary[tuple[str, tuple[str, ...]], ImageBind] = WeakValueDictionary()


def imagebind(network: ImageBind | str | Path, modalities: tuple[str, ...]) -> ImageBind:
    """An ImageBind to judge with; measures that ask for the same towers of one file share it.

    Args:
        network: ImageBind, or the official ``imagebind_huge.pth``.
        modalities: The towers that are needed, where it is a file.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """
    if isinstance(network, ImageBind):
        return network
    file = Path(network)
    # A file that was written anew under its old name is another one.
    key = f"{file.resolve()} {file.stat().st_mtime_ns}" if file.is_file() else str(network)
    found = _loaded.get((key, modalities))
    if found is None:
        found = _loaded[key, modalities] = ImageBind.from_file(network, modalities=modalities)
    return found


@torch.no_grad()
def frame_embeddings(network: ImageBind, pixels: Tensor) -> Tensor:
    """Embeddings of frames, each resized straight to 224 x 224 (bicubic, antialiased), which squashes other shapes.

    Args:
        network: ImageBind with its vision tower.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.

    Returns:
        ``(b, f, d)`` float32 of unit norm.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` of uint8.
        WeightsError: If the vision tower is not loaded.
    """
    if pixels.ndim != 5:
        raise ConfigurationError(f"ImageBind looks at clips (b, 3, f, h, w), not {tuple(pixels.shape)}.")
    clips = [network.embed("vision", prepare_pictures(clip.transpose(0, 1))) for clip in pixels]
    return normalize(torch.stack(clips).float(), dim=-1)


@torch.no_grad()
def sound_embeddings(network: ImageBind, waveform: Tensor, sample_rate: int) -> Tensor:
    """Embeddings of sounds.

    The tower hears two seconds. Of a longer sound it hears as many stretches of two seconds as cover it, evenly
    spaced from its beginning to its end, and the mean of their embeddings counts; a shorter one is padded.

    Args:
        network: ImageBind with its audio tower.
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second; ImageBind knows 16 kHz only.

    Returns:
        ``(b, d)`` float32 of unit norm.

    Raises:
        ConfigurationError: If the rate is not 16 kHz.
        WeightsError: If the audio tower is not loaded.
    """
    if sample_rate != ClipFormat.sample_rate:
        raise ConfigurationError(
            f"ImageBind hears sound of {ClipFormat.sample_rate} samples a second, not {sample_rate}. "
            f"Set --data.format.sample_rate to {ClipFormat.sample_rate}."
        )
    length, heard = waveform.shape[-1], SECONDS * sample_rate
    count = max(1, math.ceil(length / heard))
    starts = [round(number * max(0, length - heard) / max(1, count - 1)) for number in range(count)]
    stretches = [
        normalize(network.embed("audio", log_mel(waveform[:, start : start + heard])).float(), dim=-1)
        for start in starts
    ]
    return normalize(torch.stack(stretches).mean(dim=0), dim=-1)


@torch.no_grad()
def text_embeddings(network: ImageBind, texts: Sequence[str], tokenizer: Any) -> Tensor:
    """Embeddings of texts.

    Args:
        network: ImageBind with its text tower.
        texts: ``b`` texts.
        tokenizer: A ``CLIPTokenizer`` of transformers.

    Returns:
        ``(b, d)`` float32 of unit norm.

    Raises:
        WeightsError: If the text tower is not loaded.
    """
    return normalize(network.embed("text", tokenize(texts, tokenizer)).float(), dim=-1)
