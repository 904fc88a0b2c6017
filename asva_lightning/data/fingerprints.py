"""What a clip looks and sounds like in a few bits, which survive encoding, resizing and a little cropping."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from torch import Tensor

HASHES_A_SECOND = 2.0
HASH_SIDE = 32
HASH_BITS = 63
FLAT = 2.0
"""Standard deviation (of 255) below which a picture has nothing that a hash could hold on to."""

PRINT_BITS = 32
_WINDOW, _HOP = 4096, 256
_BLOCK = 1024
_BANDS = np.geomspace(300, 3000, PRINT_BITS + 2)
_SILENCE = 1e-6
"""Mean square of a window below which there is nothing to be recognised."""
_QUIET = 1e-5
"""Windows that are so much weaker than the loudest of their clip are passed over."""


def picture_hashes(pixels: Tensor) -> NDArray[np.bool_]:
    """Perceptual hash of each picture: the signs of its lowest frequencies against their median.

    Well known as pHash: a discrete cosine transform of the grey picture, of which the 8 x 8 lowest frequencies but the
    constant one are kept.

    Args:
        pixels: Pictures ``(3, f, 32, 32)``, uint8.

    Returns:
        Bits ``(n, 63)``. Pictures of a single colour have none.
    """
    grey = np.tensordot([0.299, 0.587, 0.114], pixels.numpy().astype(np.float64), axes=1)
    grey = grey[grey.std(axis=(1, 2)) > FLAT]
    low = dctn(grey, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(len(grey), 64)[:, 1:]
    bits: NDArray[np.bool_] = low > np.median(low, axis=1, keepdims=True)
    return bits


def sound_prints(waveform: Tensor, sample_rate: int) -> NDArray[np.int64]:
    """Fingerprints of a sound: a number of 32 bits every 16 ms, at 16 kHz.

    A bit says whether the difference between two neighbouring bands of frequency grows or falls from one window to the
    next, as in Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002), whose windows are longer
    and closer.

    Args:
        waveform: Mono sound ``(samples,)``.
        sample_rate: Samples a second.

    Returns:
        Numbers ``(n,)``; -1 where there is silence.
    """
    sound = waveform.numpy().astype(np.float64)
    if len(sound) < _WINDOW + _HOP:
        return np.zeros(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_HOP]
    blocks = [windows[first : first + _BLOCK] for first in range(0, len(windows), _BLOCK)]
    loudness = np.concatenate([np.mean(block**2, axis=1) for block in blocks])
    energy = np.concatenate([_energies(block, sample_rate) for block in blocks])
    bits = np.diff(np.diff(energy, axis=1), axis=0) > 0
    prints: NDArray[np.int64] = bits @ (1 << np.arange(PRINT_BITS, dtype=np.int64))
    loud = loudness > max(_SILENCE, _QUIET * float(loudness.max()))
    return np.where(loud[1:] & loud[:-1], prints, -1)


def _energies(windows: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Logarithm of the energy of each band in each window ``(n, samples)``; ``(n, 33)``."""
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2
    edges = np.round(_BANDS * _WINDOW / sample_rate).astype(int)
    energies: NDArray[np.float64] = np.log(np.add.reduceat(power, edges, axis=1)[:, :-1] + 1e-12)
    return energies
