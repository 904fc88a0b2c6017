"""OnsetF1: do sounds begin when something moves most, and only then?"""

from typing import Any

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.analysis import AnalysedClips
from asva_lightning.metrics.matching import count_matches
from asva_lightning.metrics.mean_over_clips import SyncMetric, analysed
from asva_lightning.metrics.motion import motion_peaks


def onset_f1(
    waveform: Tensor,
    pixels: Tensor,
    fps: float,
    sample_rate: int,
    tolerance: float = 0.1,
    lead: float | None = 0.2,
) -> Tensor:
    """F1 score of the sound's onsets against the peaks of motion.

    ``F1 = 2 matched / (onsets + peaks)``, the harmonic mean of precision and recall. ``matched`` is the largest number
    of pairs in which each onset and each peak is used at most once and ``-lead <= peak - onset <= tolerance``. It is 1
    where the clip has neither onsets nor peaks (silence over a still picture is in step), 0 where it has only one kind.

    The defaults let motion lead, as a hammer does that is seen before it is heard: a viewer takes sound that is up to
    185 ms late or 90 ms early for synchronous (ITU-R BT.1359).

    It depends on the frame rate: the time of a peak is known to half a frame, so the tolerance must be at least that.
    Events are found by the rules of :func:`onset_times` and :func:`motion_peaks` with their defaults. Randomly
    placed events reach about ``(lead + tolerance)`` times their number a second.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        fps: Frames a second.
        sample_rate: Samples a second.
        tolerance: How far motion may come after its sound, in seconds.
        lead: How far motion may come before its sound, in seconds; as ``tolerance`` where None.

    Returns:
        One value per clip ``(b,)`` in 0..1.

    Raises:
        ConfigurationError: If the tolerance is shorter than half a frame, the lead negative, or the pixels or the
            waveform are not of the kinds above.
    """
    return OnsetF1(tolerance, lead).judge(analysed(waveform, pixels, fps, sample_rate))


def _f1(sound: Tensor, motion: Tensor, tolerance: float, lead: float | None) -> float:
    events = len(sound) + len(motion)
    return 2 * count_matches(sound, motion, tolerance, lead) / events if events else 1.0


class OnsetF1(SyncMetric):
    """Mean of :func:`onset_f1` over clips.

    Args:
        tolerance: How far motion may come after its sound, in seconds.
        lead: How far motion may come before its sound, in seconds; as ``tolerance`` where None.
        **kwargs: What every torchmetrics metric takes.
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, tolerance: float = 0.1, lead: float | None = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tolerance = tolerance
        self.lead = lead

    def judge(self, clips: AnalysedClips) -> Tensor:
        """One F1 per clip ``(b,)``, see :func:`onset_f1`."""
        tolerance, lead, fps = self.tolerance, self.lead, clips.fps
        if tolerance < 0.5 / fps or (lead is not None and lead < 0):
            raise ConfigurationError(
                f"OnsetF1 has tolerance={tolerance} s and lead={lead} s at {fps:g} frames a second. A motion's time is "
                f"known to half a frame: set tolerance to {0.5 / fps:.3f} or more, and lead to 0 or more."
            )
        peaks = motion_peaks(clips.picture.motion, fps)
        scores = [_f1(sound, motion, tolerance, lead) for sound, motion in zip(clips.sound.onsets, peaks)]
        return torch.tensor(scores, dtype=torch.float32)
