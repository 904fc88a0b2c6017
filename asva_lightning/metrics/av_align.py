"""AV-Align: peaks of sound against peaks of optical flow."""

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from asva_lightning.metrics.matching import count_matches
from asva_lightning.metrics.mean_over_clips import SyncMetric
from asva_lightning.metrics.motion import PROMINENCE, SPACING, motion_peaks, require_clips
from asva_lightning.metrics.onsets import onset_times

FLOW_FLOOR = 1e-3
"""Pixels a frame, in the mean over a frame: less is the noise of a video codec."""


def flow_curve(pixels: Tensor) -> Tensor:
    """Mean magnitude of Farneback's optical flow from frame to frame.

    Args:
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.

    Returns:
        ``(b, f - 1)`` in pixels a frame, on the CPU. It depends on the size of the picture.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` with at least two frames.
    """
    require_clips(pixels)
    clips = pixels.cpu().permute(0, 2, 3, 4, 1).contiguous().numpy()
    return torch.tensor([_flow_of_clip(clip) for clip in clips])


# Scale between pyramid levels, levels, window, iterations, polynomial neighbourhood and deviation, flags: OpenCV's own
# example, which every AV-Align uses.
FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)


def _flow_of_clip(frames: np.ndarray) -> list[float]:
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    magnitudes = []
    for before, after in zip(grey, grey[1:]):
        flow = np.empty((*before.shape, 2), np.float32)
        cv2.calcOpticalFlowFarneback(before, after, flow, *FARNEBACK)
        magnitudes.append(float(np.linalg.norm(flow, axis=-1).mean()))
    return magnitudes


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
        ConfigurationError: If the pixels or the waveform do not have the shapes above.
    """
    peaks = motion_peaks(flow_curve(pixels), fps, prominence, spacing, FLOW_FLOOR)
    onsets = onset_times(waveform, sample_rate)
    count = count_matches if one_to_one else _count_onsets_near_a_peak
    return torch.tensor(
        [_iou(len(sound), len(flow), count(sound, flow, 1 / fps)) for sound, flow in zip(onsets, peaks)]
    )


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

    def values(self, waveform: Tensor, pixels: Tensor, fps: float, sample_rate: int) -> Tensor:
        """One IoU per clip ``(b,)``; for the arguments see :func:`av_align`."""
        return av_align(waveform, pixels, fps, sample_rate, self.one_to_one, self.prominence, self.spacing)
