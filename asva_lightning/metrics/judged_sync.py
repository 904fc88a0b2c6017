"""RelSync and AlignSync as measures: the sync classifier and ImageBind, asked about clips and their truth."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.alignsync import align_sync
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.image_audio import image_audio_similarity
from asva_lightning.metrics.mean_over_clips import MeanOverClips
from asva_lightning.metrics.reference import require_same_shape
from asva_lightning.metrics.relsync import rel_sync
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_scoring
from asva_lightning.metrics.sync_classifier.released import read_released

LONGEST = 2.04
"""Seconds that fill the log-mel picture which the classifier hears."""


class RelSync(MeanOverClips):
    """Mean of :func:`~asva_lightning.metrics.relsync.rel_sync` over clips, x 100; the truth itself has 50.

    The classifier sees frames that are resized straight to 224 x 224 (bicubic, antialiased). It was trained on clips of
    2 s at 6 frames a second; of others it says less.

    Args:
        classifier: The sync classifier, or its file or folder (see
            :func:`~asva_lightning.metrics.sync_classifier.read_released`).
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 100.0

    def __init__(self, classifier: SyncClassifier | str | Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        loaded = classifier if isinstance(classifier, SyncClassifier) else read_released(classifier)
        self._classifier = Frozen(loaded)

    def heard(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """The sound ``(b, samples)`` that the samples are judged with; the truth always has the source's own."""
        return waveform

    def values(self, pixels: Tensor, reference: Tensor, waveform: Tensor, sample_rate: int) -> Tensor:
        """Judge a batch.

        Args:
            pixels: Samples ``(b, 3, f, h, w)``, uint8.
            reference: The truth for the same sounds, of the same shape.
            waveform: Mono sound in [-1, 1], ``(b, samples)``, at 16 kHz, of 2.04 s at most.
            sample_rate: 16 000.

        Returns:
            One value per clip ``(b,)`` in 0..100.

        Raises:
            ConfigurationError: If shapes, rate or length are others.
        """
        require_same_shape(pixels, reference, type(self).__name__)
        self._require_sound(waveform, sample_rate)
        score = self._score(self.heard(waveform, sample_rate), pixels)
        return 100 * rel_sync(score, self._score(waveform, reference))

    @torch.no_grad()
    def _score(self, waveform: Tensor, pixels: Tensor) -> Tensor:
        classifier = self._classifier.on(pixels.device)
        scores: Tensor = classifier(log_mel(waveform.to(pixels.device)), for_scoring(pixels))
        return scores

    def _require_sound(self, waveform: Tensor, sample_rate: int) -> None:
        seconds = waveform.shape[-1] / sample_rate
        if sample_rate != ClipFormat.sample_rate or seconds > LONGEST:
            raise ConfigurationError(
                f"The sync classifier hears at most {LONGEST} s of {ClipFormat.sample_rate} samples a second, not "
                f"{seconds:.2f} s of {sample_rate}. Set --data.format so, or leave {type(self).__name__} out."
            )

    def update(self, pixels: Tensor, reference: Tensor, waveform: Tensor, sample_rate: int) -> None:
        """Judge a batch and take in its values; for the arguments see :meth:`values`."""
        self.add(self.values(pixels, reference, waveform, sample_rate))

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Raises:
            ConfigurationError: If the clip has no reference, or its sound is not of the kind that is heard.
        """
        truth = clip.true_picture(type(self).__name__).pixels
        return float(self.values(clip.pixels[None], truth, clip.waveform[None], format.sample_rate))


class AlignSync(RelSync):
    """Mean of :func:`~asva_lightning.metrics.alignsync.align_sync` over clips, x 100; the truth itself has about 25.

    Args:
        classifier: As for :class:`RelSync`.
        network: ImageBind with its audio and vision towers, or the official ``imagebind_huge.pth``.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """

    def __init__(self, classifier: SyncClassifier | str | Path, network: ImageBind | str | Path, **kwargs: Any) -> None:
        super().__init__(classifier, **kwargs)
        loaded = (
            network if isinstance(network, ImageBind) else ImageBind.from_file(network, modalities=("audio", "vision"))
        )
        self._network = Frozen(loaded)

    def values(self, pixels: Tensor, reference: Tensor, waveform: Tensor, sample_rate: int) -> Tensor:
        """One value per clip ``(b,)`` in 0..100; for the arguments see :meth:`RelSync.values`."""
        relative = super().values(pixels, reference, waveform, sample_rate)
        network = self._network.on(pixels.device)
        made = image_audio_similarity(network, pixels[:, :, 1:], self.heard(waveform, sample_rate), sample_rate)
        first = image_audio_similarity(network, reference[:, :, :1], waveform, sample_rate)
        return align_sync(relative, made, first[:, 0])
