"""What the measures that give one value per clip share."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.analysis import AnalysedClips, AnalysedPicture, AnalysedSound
from asva_lightning.metrics.clip import EvaluatedClip


class MeanOverClips(Metric):
    """Mean of one value per clip, over all clips of all ranks.

    A clip whose value is nan is left out and counted in ``left_out``. Without any clip the mean is nan.
    """

    full_state_update = False
    is_differentiable = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("left_out", torch.tensor(0), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Take in the values of a batch.

        Args:
            values: One value per clip ``(b,)``.
        """
        usable = ~values.isnan()
        self.total += values[usable].sum()
        self.count += usable.sum()
        self.left_out += (~usable).sum()

    def compute(self) -> Tensor:
        """Mean of the values that are not nan."""
        return self.total / self.count


def analysed(waveform: Tensor, pixels: Tensor, fps: float, sample_rate: int) -> AnalysedClips:
    """A batch of clips, ready to be judged; for the arguments see :meth:`SyncMetric.values`."""
    return AnalysedClips(AnalysedPicture(pixels), AnalysedSound(waveform, sample_rate), fps)


class SyncMetric(MeanOverClips, ABC):
    """A measure of how well the motion of a clip fits its own sound."""

    @abstractmethod
    def judge(self, clips: AnalysedClips) -> Tensor:
        """Judge a batch whose motion and onsets other measures may have asked for already.

        Args:
            clips: Picture and sound.

        Returns:
            One value per clip ``(b,)``.
        """

    def values(self, waveform: Tensor, pixels: Tensor, fps: float, sample_rate: int) -> Tensor:
        """Judge a batch.

        Args:
            waveform: Mono sound in [-1, 1], ``(b, samples)``.
            pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
            fps: Frames a second.
            sample_rate: Samples a second.

        Returns:
            One value per clip ``(b,)``.
        """
        return self.judge(analysed(waveform, pixels, fps, sample_rate))

    def update(self, waveform: Tensor, pixels: Tensor, fps: float, sample_rate: int) -> None:
        """Judge a batch and take in its values; for the arguments see :meth:`values`."""
        self.add(self.values(waveform, pixels, fps, sample_rate))

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip.
            format: Its frame rate and sample rate.

        Returns:
            The clip's value.
        """
        return float(self.judge(AnalysedClips(clip.picture, clip.sound(format.sample_rate), format.fps)))
