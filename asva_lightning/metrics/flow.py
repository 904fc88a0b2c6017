"""How much the picture of a clip flows from frame to frame."""

import cv2
import numpy as np
import torch
from torch import Tensor

from asva_lightning.metrics.motion import require_clips

# Scale between pyramid levels, levels, window, iterations, polynomial neighbourhood and deviation, flags: OpenCV's own
# example, which every AV-Align uses.
FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)


def flow_curve(pixels: Tensor) -> Tensor:
    """Mean magnitude of Farneback's optical flow from frame to frame.

    Args:
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.

    Returns:
        ``(b, f - 1)`` in pixels a frame, on the CPU. It depends on the size of the picture.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` of uint8 with at least two frames.
    """
    require_clips(pixels)
    clips = pixels.cpu().permute(0, 2, 3, 4, 1).contiguous().numpy()
    return torch.tensor([_flow_of_clip(clip) for clip in clips], dtype=torch.float32)


def _flow_of_clip(frames: np.ndarray) -> list[float]:
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    magnitudes = []
    for before, after in zip(grey, grey[1:]):
        flow = np.empty((*before.shape, 2), np.float32)
        cv2.calcOpticalFlowFarneback(before, after, flow, *FARNEBACK)
        magnitudes.append(float(cv2.magnitude(*cv2.split(flow)).mean()))
    return magnitudes
