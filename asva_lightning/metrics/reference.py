"""What the measures that compare a sample with the truth, frame by frame, share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.mean_over_clips import MeanOverClips


class ReferenceMetric(MeanOverClips, ABC):
    """A measure of a sample against the true clip for the same sound."""

    @abstractmethod
    def values(self, pixels: Tensor, reference: Tensor) -> Tensor:
        """Judge samples ``(b, 3, f, h, w)`` uint8 by the truth of the same shape: ``(b,)``, nan where there is none."""

    def update(self, pixels: Tensor, reference: Tensor, classes: Sequence[int] | Tensor | None = None) -> None:
        """Judge a batch and take in its values; for the arguments see :meth:`values` and :meth:`add`."""
        self.add(self.values(pixels, reference), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip, with its reference.
            format: Not used: both have the same.

        Returns:
            The clip's value.

        Raises:
            ConfigurationError: If the clip has no reference.
        """
        truth = clip.true_picture(type(self).__name__).pixels
        return float(self.values(clip.pixels[None], truth))


def of_made_frames(value: Callable[[Tensor, Tensor], Tensor], pixels: Tensor, reference: Tensor) -> Tensor:
    """The value of each clip from the second frame on; the first is given to the model and does not count.

    One clip is taken at a time, as a batch of long clips in float would not fit.

    Args:
        value: Frames ``(3, f - 1, h, w)`` of a sample and of the truth, float32 in 0..255, to one number.
        pixels: Samples ``(b, 3, f, h, w)``, uint8.
        reference: The truth, of the same shape.

    Returns:
        ``(b,)``; empty where there are no clips.
    """
    pairs = zip(pixels, reference)
    values = [value(sample[:, 1:].float(), truth[:, 1:].float()) for sample, truth in pairs]
    return torch.stack(values) if values else torch.zeros(0, dtype=torch.float32, device=pixels.device)


def require_same_shape(pixels: Tensor, reference: Tensor, what: str) -> None:
    """Check a sample and the truth.

    Args:
        pixels: What should be samples ``(b, 3, f, h, w)`` of uint8 with at least two frames.
        reference: What should be the truth, of the same shape.
        what: Name of the measure, for the message.

    Raises:
        ConfigurationError: If they are not.
    """
    if pixels.shape != reference.shape or pixels.ndim != 5 or pixels.shape[1] != 3 or pixels.shape[2] < 2:
        raise ConfigurationError(
            f"{what} compares clips (b, 3, f, h, w) frame by frame from the second on, but the samples are "
            f"{tuple(pixels.shape)} and the truth is {tuple(reference.shape)}. Read both with the same clip format of "
            "two frames or more."
        )
    if pixels.dtype != torch.uint8 or reference.dtype != torch.uint8:
        raise ConfigurationError(
            f"{what} compares pixels of uint8, but the samples are {pixels.dtype} and the truth is {reference.dtype}. "
            "Give frames as they are read, in 0..255."
        )
