"""Measures that tests name by class_path."""

import math

import torch
from torch import Tensor, nn

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation


class Loudness:
    """The loudest sample, times a weight."""

    higher_is_better = None

    def __init__(self, weight: float = 1.0) -> None:
        network = nn.Linear(1, 1, bias=False)
        nn.init.constant_(network.weight, weight)
        self._network = Frozen(network)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        return float(self._network.network(clip.waveform.abs().max()[None]))


class OutOfStep:
    """How far the correlation of onsets and motion is from 1: the lower, the better."""

    higher_is_better = False

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        return 1 - OnsetMotionCorrelation().measure(clip, format)


class Brightness:
    """Distance between the mean brightness of two sets of frames."""

    higher_is_better = False

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        return pixels[:, 1:].float().mean(dim=(0, 2, 3))[:, None]

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        return float((generated.mean() - reference.mean()).abs())


class Broken:
    """Has features that are no numbers."""

    higher_is_better = False

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        return torch.full((1, 2), torch.nan)

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        return 0.0


class Endless:
    """Finds every set infinitely far from every other."""

    higher_is_better = False

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        return torch.zeros(1, 2)

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        return math.inf


class Choosy:
    """Judges nothing but silence, and so no real clip."""

    higher_is_better = None

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        if clip.waveform.any():
            raise ConfigurationError("Choosy wants silence.")
        return 0.0


class Longer:
    """Needs more frames than a clip has."""

    higher_is_better = False

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        raise ConfigurationError(f"Longer needs 99 frames, not {format.frames}.")

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        return 0.0


class Untyped:
    """A measure that does not write down its types, which a parser cannot recognise."""

    higher_is_better = None

    def measure(self, clip, format):
        return 0.0
