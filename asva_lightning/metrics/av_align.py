"""AV-Align: peaks of sound against peaks of optical flow."""

from typing import Any

import torch
from torch import Tensor

from asva_lightning.metrics.analysis import AnalysedClips
from asva_lightning.metrics.matching import count_matches
from asva_lightning.metrics.mean_over_clips import SyncMetric, analysed
from asva_lightning.metrics.motion import PROMINENCE, SPACING, motion_peaks

FLOW_FLOOR = 1e-3
"""Pixels a frame, in the mean over a frame: less is the noise of a video codec."""


def av_align(
    waveform: Tensor,
    pixels: Tensor,
    fps: float,
    sample_rate: int,
    one_to_one: bool = True,
    prominence: float = PROMINENCE,
    spacing: float = SPACING,
) -> Tensor:
    """Intersection over union of the sound's onsets and the peaks of optical flow.

    ``IoU = matched / (onsets + peaks - matched)``, where an onset and a peak match within ``1 / fps`` seconds. After
    Yariv et al., "Diverse and Aligned Audio-to-Video Generation via Text-to-Video Model Adaptation" (AAAI 2024). It is
    1 where the clip has neither onsets nor peaks (silence over a still picture is in step), 0 where it has only one
    kind.

    Ours differs in what counts as a peak: any local maximum there, one that stands out here (see
    :func:`motion_peaks`), since the noise of a real video has a local maximum every few frames. ``prominence=0`` with
    ``spacing=0`` takes nearly all. Motion that leads its sound by more than a frame does not match. The value depends
    on the frame rate, which is also the tolerance: compare it at one rate only.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        fps: Frames a second.
        sample_rate: Samples a second.
        one_to_one: Whether a peak can match one onset only. False is a variant in circulation: every onset that has
            some peak nearby counts as matched, also when another has the same one, so that the value can exceed 1.
        prominence: Least prominence of a peak, as a share of the range of the clip's flow.
        spacing: Least time between two peaks in seconds.

    Returns:
        One value per clip ``(b,)`` in 0..1.

    Raises:
        ConfigurationError: If the pixels or the waveform are not of the kinds above.
    """
    return AVAlign(one_to_one, prominence, spacing).judge(analysed(waveform, pixels, fps, sample_rate))


def _iou(onsets: int, peaks: int, matched: int) -> float:
    union = onsets + peaks - matched
    return matched / union if union else 1.0


def _count_onsets_near_a_peak(sound: Tensor, flow: Tensor, tolerance: float) -> int:
    near = (sound[:, None] - flow).abs() <= tolerance
    return int(near.any(dim=1).sum())


class AVAlign(SyncMetric):
    """Mean of :func:`av_align` over clips.

    Args:
        one_to_one: Whether a peak can match one onset only.
        prominence: Least prominence of a peak, as a share of the range of the clip's flow.
        spacing: Least time between two peaks in seconds.
        **kwargs: What every torchmetrics metric takes.
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(
        self, one_to_one: bool = True, prominence: float = PROMINENCE, spacing: float = SPACING, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.one_to_one = one_to_one
        self.prominence = prominence
        self.spacing = spacing

    def judge(self, clips: AnalysedClips) -> Tensor:
        """One IoU per clip ``(b,)``, see :func:`av_align`."""
        peaks = motion_peaks(clips.picture.flow, clips.fps, self.prominence, self.spacing, FLOW_FLOOR)
        count = count_matches if self.one_to_one else _count_onsets_near_a_peak
        ratios = [
            _iou(len(sound), len(flow), count(sound, flow, 1 / clips.fps))
            for sound, flow in zip(clips.sound.onsets, peaks)
        ]
        return torch.tensor(ratios, dtype=torch.float32)
