"""The log-mel picture of a sound that audio encoders look at."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat

_WINDOW = round(0.025 * ClipFormat.sample_rate)
_SHIFT = round(0.010 * ClipFormat.sample_rate)
_FFT = 1 << (_WINDOW - 1).bit_length()
_BINS = 128
_LOWEST = 20.0  # Hz
_PRE_EMPHASIS = 0.97
# Mean and standard deviation over AudioSet, as ImageBind uses them: the sign of the mean is part of the method.
_MEAN, _DEVIATION = -4.268, 9.138


def log_mel(waveform: Tensor, columns: int = 204) -> Tensor:
    """Normalised log-mel energies of a sound, as Kaldi's filterbank and ImageBind define them.

    Windows of 25 ms every 10 ms (only whole ones), symmetric Hann, the mean of each removed, pre-emphasis, power
    spectrum, 128 triangles on Kaldi's mel scale, logarithm; no dither, no energy. See Girdhar et al., "ImageBind: One
    Embedding Space To Bind Them All", CVPR 2023, and Kaldi's ``feat/feature-fbank``.

    Args:
        waveform: ``(..., samples)`` at ``ClipFormat.sample_rate``, in [-1, 1].
        columns: Number of windows to return; shorter sounds are padded with zeros before normalisation.

    Returns:
        ``(..., 1, 128, columns)`` float32, low frequencies first.

    Raises:
        ConfigurationError: If the sound is shorter than one window.
    """
    if waveform.shape[-1] < _WINDOW:
        raise ConfigurationError(
            f"A log-mel picture needs at least {_WINDOW} samples (25 ms), not {waveform.shape[-1]}. Use longer clips."
        )
    waveform = waveform.float()
    waveform = waveform - waveform.mean(dim=-1, keepdim=True)
    windows = waveform.unfold(-1, _WINDOW, _SHIFT)[..., :columns, :]
    windows = windows - windows.mean(dim=-1, keepdim=True)
    before = torch.cat([windows[..., :1], windows[..., :-1]], dim=-1)
    # Types are named, since Lightning makes another one the default while it trains in 16 bits.
    shape = torch.hann_window(_WINDOW, periodic=False, dtype=torch.float32, device=waveform.device)
    spectrum = torch.fft.rfft((windows - _PRE_EMPHASIS * before) * shape, n=_FFT)
    power = spectrum.real.square() + spectrum.imag.square()
    energies = power @ filterbank().to(waveform.device)
    logs = energies.clamp_min(torch.finfo(torch.float32).eps).log()
    padded = functional.pad(logs, (0, 0, 0, columns - logs.shape[-2]))
    return ((padded - _MEAN) / _DEVIATION).transpose(-2, -1).unsqueeze(-3)


@cache
def filterbank() -> Tensor:
    """Weights ``(257, 128)`` of the frequencies of the power spectrum in each mel bin; triangles on the mel scale."""
    nyquist = ClipFormat.sample_rate / 2
    lowest, highest = _mel(torch.tensor([_LOWEST, nyquist], dtype=torch.float64))
    edges = lowest + (highest - lowest) * torch.arange(_BINS + 2, dtype=torch.float64) / (_BINS + 1)
    frequencies = _mel(torch.linspace(0, nyquist, _FFT // 2 + 1, dtype=torch.float64))[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0).float()


def _mel(frequency: Tensor) -> Tensor:
    return 1127 * torch.log1p(frequency / 700)
