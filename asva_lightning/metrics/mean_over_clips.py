"""What the measures that give one value per clip share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor
from torchmetrics import Metric

from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.analysis import AnalysedClips, AnalysedPicture, AnalysedSound
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.per_class import Kept, classes_of, each_class, gathered


class MeanOverClips(Metric):
    """Mean of one value per clip, over all clips of all ranks and per class.

    A clip whose value is nan is left out and counted in ``left_out``. Without any clip the mean is nan. A class is a
    number that means the same on every rank. A rank may have any number of clips, also none.
    """

    full_state_update = False
    is_differentiable = False
    clip_values: Kept
    clip_classes: Kept

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("clip_values", "clip_classes"):
            self.add_state(name, [], dist_reduce_fx="cat")
        # A MetricCollection takes metrics whose states are equal after the first batch for one and the same, and from
        # then on updates one of them. Two measures may well agree on a batch; a number of its own keeps each apart. It
        # is one of sixteen bytes, which no type rounds.
        self.add_state("own", torch.tensor(list(uuid4().bytes)), dist_reduce_fx="max")

    @property
    def count(self) -> int:
        """Number of clips whose values are not nan; of this rank, or of all within ``sync_context``."""
        return int((~gathered(self.clip_values).isnan()).sum())

    @property
    def left_out(self) -> int:
        """Number of clips whose values are nan; of this rank, or of all within ``sync_context``."""
        return int(gathered(self.clip_values).isnan().sum())

    def add(self, values: Tensor, classes: Sequence[int] | Tensor | None = None) -> None:
        """Take in the values of a batch.

        Args:
            values: One value per clip ``(b,)``.
            classes: The class of each clip; 0 for all if not given.

        Raises:
            ConfigurationError: If there are more or fewer classes than clips, or they are no whole numbers.
        """
        numbers = classes_of(len(values), classes, self.dtype)
        for kept, new in ((self.clip_values, values), (self.clip_classes, numbers)):
            assert isinstance(kept, list)  # torchmetrics refuses an update while those of all ranks are gathered
            kept.append(new.detach().to(self.device, self.dtype))

    def compute(self) -> Tensor:
        """Mean of the values that are not nan."""
        return gathered(self.clip_values).nanmean().to(self.device)

    def compute_per_class(self) -> dict[int, float]:
        """The mean of each class, by class; nan where all its values are. All ranks must call it."""
        with self.sync_context():
            values, classes = gathered(self.clip_values), gathered(self.clip_classes)
        return each_class(lambda number: float(values[classes == number].nanmean()), classes)


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

    def update(
        self,
        waveform: Tensor,
        pixels: Tensor,
        fps: float,
        sample_rate: int,
        classes: Sequence[int] | Tensor | None = None,
    ) -> None:
        """Judge a batch and take in its values; for the arguments see :meth:`values` and :meth:`add`."""
        self.add(self.values(waveform, pixels, fps, sample_rate), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip.
            format: Its frame rate and sample rate.

        Returns:
            The clip's value.
        """
        return float(self.judge(AnalysedClips(clip.picture, clip.sound(format.sample_rate), format.fps)))
