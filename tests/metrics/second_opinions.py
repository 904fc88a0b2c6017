"""The formulas of the measures of synchrony once more, in NumPy and SciPy, in double precision."""

import cv2
import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import find_peaks
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from sync_clips import RATE


def mel(hertz):
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def rises(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean rise of the mel bands, and whether the whole spectrum rises, every 4 ms."""
    window, hop = 512, 64
    frames = np.stack([wave[i : i + window] for i in range(0, len(wave) - window + 1, hop)])
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    magnitude = 2 / taper.sum() * np.abs(np.fft.rfft(frames * taper))
    edges = 700 * (10 ** (np.linspace(mel(60), mel(RATE / 2), 34) / 2595) - 1)
    bins = np.fft.rfftfreq(window, 1 / RATE)
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:]):
        weights = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
        if weights.sum() > 0:
            bands.append(magnitude @ weights / weights.sum())
    loudness, power = np.log1p(1000 * np.array(bands)), (magnitude**2).sum(axis=1)
    rise = np.clip(loudness[:, 4:] - loudness[:, :-4], 0, None).mean(axis=0)
    return np.pad(rise, 6), np.pad(power[4:] > power[:-4], 6)


def onsets(wave: np.ndarray) -> np.ndarray:
    """Times of the onsets of a sound in seconds, by the defaults of the rule."""
    rise, louder = rises(wave)
    excess = (rise - 2 * median_filter(rise, size=101, mode="constant")) * louder
    found, _ = find_peaks(excess, height=max(0.1, 0.2 * excess.max()), distance=20)
    return found * 0.004 + 0.007


def motion(pixels: np.ndarray) -> np.ndarray:
    """Mean absolute change from frame to frame of a clip ``(3, f, h, w)`` in 0..255, as a share of 255."""
    return np.abs(np.diff(pixels.astype(np.float64), axis=1)).mean(axis=(0, 2, 3)) / 255


def flow(pixels: np.ndarray) -> np.ndarray:
    """Mean length of OpenCV's Farneback flow from frame to frame of a clip ``(3, f, h, w)``."""
    grey = [
        cv2.cvtColor(np.ascontiguousarray(frame.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)
        for frame in pixels.swapaxes(0, 1)
    ]
    flows = [cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0) for a, b in zip(grey, grey[1:])]
    return np.array([np.linalg.norm(field.astype(np.float64), axis=-1).mean() for field in flows])


def prominences(row: np.ndarray) -> dict[int, float]:
    """Brute force: of every local maximum, the height above the higher of the lowest points on its two sides."""
    padded = [row.min(), *row, row.min()]
    found = {}
    for i in range(1, len(padded) - 1):
        if padded[i - 1] < padded[i] > padded[i + 1]:
            valleys = []
            for side in (padded[i::-1], padded[i:]):
                reach = next((n for n, value in enumerate(side) if value > padded[i]), len(side))
                valleys.append(min(side[:reach]))
            found[i - 1] = padded[i] - max(valleys)
    return found


def peaks(curve: np.ndarray, fps: float, floor: float, prominence: float = 0.3, spacing: float = 0.3) -> np.ndarray:
    """Times of the peaks of a curve in seconds, by the defaults of the rule."""
    least = max(prominence * np.ptp(curve), floor)
    kept: list[float] = []
    for step, height in sorted(prominences(curve).items()):
        time = (step + 0.5) / fps
        if height >= least and (not kept or time - kept[-1] >= spacing):
            kept.append(time)
    return np.array(kept)


def pairs(sound: np.ndarray, moved: np.ndarray, lead: float, tolerance: float) -> int:
    """The largest number of pairs in which motion is at most so much earlier or later than its sound."""
    late = moved - sound[:, None]
    allowed = csr_matrix((late >= -lead) & (late <= tolerance))
    return int((maximum_bipartite_matching(allowed) >= 0).sum()) if late.size else 0
