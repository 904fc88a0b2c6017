"""IA: do the frames show what is heard?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.imagebind_embeddings import frame_embeddings, imagebind, sound_embeddings
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.mean_over_clips import MeanOverClips


def image_audio_similarity(network: ImageBind, pixels: Tensor, waveform: Tensor, sample_rate: int) -> Tensor:
    """ImageBind's cosine of each frame and the clip's sound.

    Args:
        network: ImageBind with its audio and vision towers.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second; 16 000.

    Returns:
        ``(b, f)`` in -1..1. IA is the mean from the second frame on, x 100; AlignSync takes the frames one by one.

    Raises:
        ConfigurationError: If the pixels are no clips of uint8, or the rate is not 16 kHz.
        WeightsError: If a tower is not loaded.
    """
    frames, sound = frame_embeddings(network, pixels), sound_embeddings(network, waveform, sample_rate)
    return (frames * sound[:, None]).sum(dim=-1)


def mean_of_made_frames(cosines: Tensor) -> Tensor:
    """Mean over all frames but the first, which the model was given, x 100: ``(b, f)`` to ``(b,)``.

    Raises:
        ConfigurationError: If there is only one frame.
    """
    if cosines.shape[1] < 2:
        raise ConfigurationError("The first frame is given to the model and does not count: give clips of two or more.")
    return 100 * cosines[:, 1:].mean(dim=1)


class ImageAudioSimilarity(MeanOverClips):
    """IA: mean of :func:`image_audio_similarity` over the frames from the second on and over clips, x 100.

    After Zhang et al., "Audio-Synchronized Visual Animation" (ECCV 2024). It asks what is seen, not when: a sound of
    the same kind at another time has nearly the same IA.

    Args:
        network: ImageBind with its audio and vision towers, or the official ``imagebind_huge.pth``.
        device: Where the network runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """

    higher_is_better = True
    plot_lower_bound = -100.0
    plot_upper_bound = 100.0

    def __init__(self, network: ImageBind | str | Path, device: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._network = JudgingNetwork(imagebind(network, ("audio", "vision")), device)

    def values(self, pixels: Tensor, waveform: Tensor, sample_rate: int) -> Tensor:
        """One IA per clip ``(b,)``; for the arguments see :func:`image_audio_similarity`."""
        device = self._network.device_for(pixels)
        network = self._network.on(device)
        cosines = image_audio_similarity(network, pixels.to(device), waveform.to(device), sample_rate)
        return mean_of_made_frames(cosines).to(pixels.device)

    def update(
        self, pixels: Tensor, waveform: Tensor, sample_rate: int, classes: Sequence[int] | Tensor | None = None
    ) -> None:
        """Judge a batch and take it in; for the arguments see :func:`image_audio_similarity` and :meth:`add`."""
        self.add(self.values(pixels, waveform, sample_rate), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing."""
        return float(self.values(clip.pixels[None], clip.waveform[None], format.sample_rate))
