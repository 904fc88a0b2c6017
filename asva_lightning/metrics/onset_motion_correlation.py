"""OnsetMotionCorrelation: is there motion where sounds begin, step by step?"""

from typing import Any

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.analysis import AnalysedClips
from asva_lightning.metrics.mean_over_clips import SyncMetric, analysed
from asva_lightning.metrics.pearson import pearson


def onset_motion_correlation(
    waveform: Tensor,
    pixels: Tensor,
    fps: float,
    sample_rate: int,
    smoothing: float = 0.12,
    lag_frames: int = 0,
) -> Tensor:
    """Pearson's correlation of onset strength with motion energy, at zero lag.

    ``r = pearson(G * mean of the onset strength in each step, G * motion curve)``: the step of motion from frame ``f``
    to ``f + 1`` is compared with the sound between ``f / fps`` and ``(f + 1) / fps``. ``G`` is a Gaussian of standard
    deviation ``smoothing``, without which an onset and a peak one frame apart would not correlate at all. The default
    is about as wide as what viewers take for synchronous, and lets the value fall steadily with a shift of the sound up
    to 0.4 s. A clip whose sound or motion is constant has 0.

    A maximum over many lags could not fall when the sound is shifted, so only 0 and 1 are offered as ``lag_frames``.
    The value depends on the frame rate and on the smoothing.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        fps: Frames a second.
        sample_rate: Samples a second.
        smoothing: Standard deviation of the Gaussian in seconds; 0 for none.
        lag_frames: 1 takes the best of the lags -1, 0 and 1 frame, 0 the lag 0.

    Returns:
        One value per clip ``(b,)`` in -1..1.

    Raises:
        ConfigurationError: If ``lag_frames`` is neither 0 nor 1, the smoothing negative, the sound shorter than the
            steps of the frames, or the pixels or the waveform are not of the kinds above.
    """
    return OnsetMotionCorrelation(smoothing, lag_frames).judge(analysed(waveform, pixels, fps, sample_rate))


def smooth(curve: Tensor, deviation: float) -> Tensor:
    """Gaussian average along a curve; beyond its ends the weights are renormalised.

    Args:
        curve: Curves ``(b, n)``.
        deviation: Standard deviation in steps; 0 for none.

    Returns:
        Curves ``(b, n)``.
    """
    if deviation == 0:
        return curve
    steps = torch.arange(curve.shape[1], dtype=curve.dtype, device=curve.device)
    weights = torch.exp(-0.5 * ((steps[:, None] - steps) / deviation) ** 2)
    return curve @ (weights / weights.sum(dim=0))


def _per_step(strength: Tensor, hop: float, fps: float, steps: int) -> Tensor:
    """Mean onset strength ``(b, steps)`` between each frame and the next."""
    step = (torch.arange(strength.shape[1], dtype=torch.float64, device=strength.device) * hop * fps + 1e-6).long()
    hops = torch.bincount(step, minlength=steps)[:steps]
    if (hops == 0).any():
        raise ConfigurationError(
            f"The sound lasts {strength.shape[1] * hop:.2f} s and the frames {(steps + 1) / fps:.2f} s. "
            "Give the sound of the whole clip, and check fps and the sample rate."
        )
    used = step < steps
    sums = strength.new_zeros(len(strength), steps).index_add_(1, step[used], strength[:, used])
    return sums / hops


class OnsetMotionCorrelation(SyncMetric):
    """Mean of :func:`onset_motion_correlation` over clips.

    Args:
        smoothing: Standard deviation of the Gaussian in seconds; 0 for none.
        lag_frames: 1 takes the best of the lags -1, 0 and 1 frame, 0 the lag 0.
        **kwargs: What every torchmetrics metric takes.
    """

    higher_is_better = True
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0

    def __init__(self, smoothing: float = 0.12, lag_frames: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.smoothing = smoothing
        self.lag_frames = lag_frames

    def judge(self, clips: AnalysedClips) -> Tensor:
        """One correlation per clip ``(b,)``, see :func:`onset_motion_correlation`."""
        if self.lag_frames not in (0, 1) or self.smoothing < 0:
            raise ConfigurationError(
                f"OnsetMotionCorrelation has lag_frames={self.lag_frames} and smoothing={self.smoothing}. Set "
                "lag_frames to 0 or 1 (the best of a wide range cannot fall with a shift) and smoothing to 0 or more "
                "seconds."
            )
        motion, flux = clips.picture.motion, clips.sound.flux
        sound = _per_step(flux.strength, flux.hop, clips.fps, motion.shape[1]).to(motion.device)
        deviation = self.smoothing * clips.fps
        motion, sound = smooth(motion, deviation), smooth(sound, deviation)
        correlations = [pearson(sound, motion)]
        if self.lag_frames == 1 and motion.shape[1] > 2:
            correlations += [pearson(sound[:, 1:], motion[:, :-1]), pearson(sound[:, :-1], motion[:, 1:])]
        return torch.stack(correlations).amax(dim=0)
