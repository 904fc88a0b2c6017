"""RelSync: does a sound fit the generated video better than the true one?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.mean_over_clips import MeanOverClips
from asva_lightning.metrics.reference import require_same_shape
from asva_lightning.metrics.sync_classifier import SyncClassifier
from asva_lightning.metrics.sync_scorer import SyncScorer

LONGEST = 2.04
"""Seconds that fill the log-mel picture which the classifier hears."""


def rel_sync(score: Tensor, reference_score: Tensor) -> Tensor:
    """The share of the generated video in a choice between it and the true one.

    ``RelSync = e^f(a, v) / (e^f(a, v) + e^f(a, v_ref))`` with the sync classifier's score ``f`` (Zhang et al.,
    "Audio-Synchronized Visual Animation", ECCV 2024). The true video itself has 0.5.

    Args:
        score: ``f(a, v)`` of the sound with the generated video, ``(b,)``.
        reference_score: ``f(a, v_ref)`` of the same sound with the true video, ``(b,)``.

    Returns:
        One value per clip ``(b,)`` in 0..1; papers report it x 100.
    """
    return (score - reference_score).sigmoid()


class RelSync(MeanOverClips):
    """Mean of :func:`rel_sync` over clips, x 100; the truth itself has 50.

    The classifier sees frames that are resized straight to a square (bicubic, antialiased). The released one was
    trained on clips of 2 s at 6 frames a second, and sees every frame of a clip and hears all of its sound; of other
    clips it says less. One that this package trained sees and hears what its run says, out of the middle of the clip.

    Args:
        classifier: A run folder of ``SyncTask``, for its newest checkpoint; a checkpoint in one; the folder of the
            release; or a file of its tensors. Or a classifier, which is treated as the released one.
        picture: Height and width of what the classifier sees; those of the run if it is one, else 224.
        frames: Frames that it sees; those of the run if it is one, else all.
        fps: Frames a second that it sees; those of the run if it is one, else those of the clip.
        device: Where the networks run; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        ConfigurationError: If a checkpoint lies outside its run, and what it sees is not given either, or what is seen
            is given beside a classifier that is no file.
        WeightsError: If the weights are missing or damaged.
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 100.0

    def __init__(
        self,
        classifier: SyncClassifier | str | Path,
        picture: int | None = None,
        frames: int | None = None,
        fps: float | None = None,
        device: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(classifier, SyncClassifier):
            if (picture, frames, fps) != (None, None, None):
                raise ConfigurationError("picture, frames and fps belong to a file: give the path of the classifier.")
            self._scorer = SyncScorer(classifier, device=device)
        else:
            self._scorer = SyncScorer.read(classifier, picture, frames, fps, device)

    def heard(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """The sound ``(b, samples)`` that the samples are judged with; the truth always has the source's own."""
        return waveform

    def values(
        self, pixels: Tensor, reference: Tensor, waveform: Tensor, sample_rate: int, fps: float | None = None
    ) -> Tensor:
        """Judge a batch.

        Args:
            pixels: Samples ``(b, 3, f, h, w)``, uint8.
            reference: The truth for the same sounds, of the same shape.
            waveform: Mono sound in [-1, 1], ``(b, samples)``, at 16 kHz; of 2.04 s at most where all of it is heard.
            sample_rate: 16 000.
            fps: Frames a second of the clips; as many as fill the sound if not given.

        Returns:
            One value per clip ``(b,)`` in 0..100.

        Raises:
            ConfigurationError: If shapes, rate or length are others, or a clip is shorter than what is seen.
        """
        require_same_shape(pixels, reference, type(self).__name__)
        self._require_sound(waveform, sample_rate)
        _, _, frames, height, width = pixels.shape
        format = ClipFormat(frames, fps or frames * sample_rate / waveform.shape[-1], height, width, sample_rate)
        score = self._scorer.score(self.heard(waveform, sample_rate), pixels, format)
        return 100 * rel_sync(score, self._scorer.score(waveform, reference, format))

    def _require_sound(self, waveform: Tensor, sample_rate: int) -> None:
        seconds = waveform.shape[-1] / sample_rate
        if self._scorer.window is None and (sample_rate != ClipFormat.sample_rate or seconds > LONGEST):
            raise ConfigurationError(
                f"The sync classifier hears at most {LONGEST} s of {ClipFormat.sample_rate} samples a second, not "
                f"{seconds:.2f} s of {sample_rate}. Set --data.format so, or leave {type(self).__name__} out."
            )

    def update(
        self,
        pixels: Tensor,
        reference: Tensor,
        waveform: Tensor,
        sample_rate: int,
        fps: float | None = None,
        classes: Sequence[int] | Tensor | None = None,
    ) -> None:
        """Judge a batch and take in its values; for the arguments see :meth:`values` and :meth:`add`."""
        self.add(self.values(pixels, reference, waveform, sample_rate, fps), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Raises:
            ConfigurationError: If the clip has no reference, or its sound is not of the kind that is heard.
        """
        truth = clip.true_picture(type(self).__name__).pixels
        return float(self.values(clip.pixels[None], truth, clip.waveform[None], format.sample_rate, format.fps))
