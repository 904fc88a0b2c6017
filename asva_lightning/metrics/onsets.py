"""When a sound begins: onset strength and onset times."""

from functools import lru_cache
from typing import NamedTuple

import torch
from scipy.signal import find_peaks
from torch import Tensor
from torch.nn.functional import pad
from transformers.audio_utils import mel_filter_bank

from asva_lightning.errors import ConfigurationError

HOP_SECONDS = 0.004
HOPS_PER_WINDOW = 8
LAG = 4
"""Hops between the two spectra that are compared: an attack of 16 ms counts as one rise, not as four."""
BANDS = 32
LOWEST_HZ = 60.0
LEAST_RATE = 1000
"""Samples a second; below, a window has too few samples for a spectrum."""
COMPRESSION = 1000.0
"""A band at -60 dB of full scale lies at the knee of the logarithm; quieter sound is nearly left out."""
EARLINESS = 0.007
"""A window sees an attack before its middle reaches it; measured on clicks, drums and tones."""


class Flux(NamedTuple):
    """How the spectrum of sounds rises; entry ``i`` belongs to the time ``i * hop``.

    Args:
        rise: Mean rise over the bands, ``(b, n)``.
        louder: 1 where the power of the whole spectrum rises, else 0; ``(b, n)``.
        hop: Seconds from one entry to the next.
    """

    rise: Tensor
    louder: Tensor
    hop: float

    @property
    def strength(self) -> Tensor:
        """Onset strength ``(b, n)``, see :func:`onset_strength`."""
        return self.rise * self.louder


def onset_strength(waveform: Tensor, sample_rate: int) -> tuple[Tensor, float]:
    """Log spectral flux: how much louder the bands of the spectrum become at each instant.

    With ``M[k, n]`` the magnitude in mel band ``k`` at hop ``n``, a full-scale sine being about 1,

    ``strength[n] = mean over k of max(0, log(1 + 1000 M[k, n + 2]) - log(1 + 1000 M[k, n - 2]))``

    and 0 where the power of the whole spectrum does not rise. This is the flux of Böck and Widmer, "Maximum filter
    vibrato suppression for onset detection" (DAFx 2013), without the maximum filter. The range is ``[0, inf)``; a loud
    click has about 2, a soft tone 0.2. It is 0 in the first and the last 24 ms, where the sound before or after is not
    known.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second.

    Returns:
        Onset strength ``(b, n)``, where entry ``i`` belongs to the time ``i * hop``, and the hop in seconds.

    Raises:
        ConfigurationError: If the waveform is not ``(b, samples)``, is shorter than two windows, or holds NaN or
            infinity.
    """
    flux = spectral_flux(waveform, sample_rate)
    return flux.strength, flux.hop


def onset_times(
    waveform: Tensor, sample_rate: int, threshold: float = 0.1, relative: float = 0.2, spacing: float = 0.08
) -> list[Tensor]:
    """When the sounds of a clip begin.

    An onset is a local maximum of :func:`onset_strength` that exceeds twice the median flux of its surroundings
    (0.2 s to either side) by at least ``threshold``, and by at least ``relative`` times what the strongest onset of
    the clip does; of two that are closer than ``spacing``, the stronger one stays. Steady noise has a steady flux in
    every band, which raises the median, so that it has no onsets.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second.
        threshold: Least excess over the surroundings.
        relative: Least excess over the surroundings, as a share of the clip's strongest.
        spacing: Least time between two onsets in seconds.

    Returns:
        One sorted tensor of times in seconds for each clip (float64, on the CPU).

    Raises:
        ConfigurationError: If the waveform is not ``(b, samples)``, is shorter than two windows, or holds NaN or
            infinity.
    """
    return onset_times_of(spectral_flux(waveform, sample_rate), threshold, relative, spacing)


def onset_times_of(flux: Flux, threshold: float = 0.1, relative: float = 0.2, spacing: float = 0.08) -> list[Tensor]:
    """As :func:`onset_times`, of sounds whose flux is known."""
    hop = flux.hop
    reach = round(0.2 / hop)
    surroundings = pad(flux.rise[:, None], (reach, reach))[:, 0].unfold(1, 2 * reach + 1, 1)
    excess = ((flux.rise - 2 * surroundings.median(dim=-1).values) * flux.louder).double().cpu()
    distance = max(1, round(spacing / hop))
    return [_peaks(row, max(threshold, relative * float(row.max())), distance) * hop + EARLINESS for row in excess]


def _peaks(excess: Tensor, height: float, distance: int) -> Tensor:
    found, _ = find_peaks(excess.numpy(), height=height, distance=distance)
    return torch.from_numpy(found).double()


def spectral_flux(waveform: Tensor, sample_rate: int) -> Flux:
    """What onset strength and onset times are made of.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second.

    Returns:
        The flux.

    Raises:
        ConfigurationError: If the waveform is not ``(b, samples)``, is shorter than two windows, or holds NaN or
            infinity or whole numbers, or its rate is below 1000.
    """
    if sample_rate < LEAST_RATE:
        raise ConfigurationError(
            f"Onsets need sound of {LEAST_RATE} samples a second or more, not {sample_rate}. Set --format.sample_rate; "
            "16000 is what the models hear."
        )
    hop = round(HOP_SECONDS * sample_rate)
    window = HOPS_PER_WINDOW * hop
    if waveform.ndim != 2 or waveform.shape[1] < 2 * window:
        raise ConfigurationError(
            f"Onsets need a batch of mono sound (b, samples) of at least {2 * window} samples, "
            f"not {tuple(waveform.shape)}. Add the batch dimension, or give a longer sound."
        )
    bad = (~waveform.isfinite()).sum(dim=1)
    if bad.any():
        raise ConfigurationError(
            f"{int(bad.sum())} samples of the sound are NaN or infinite, in {int((bad > 0).sum())} of {len(bad)} "
            "clips. Onsets need finite sound: read or make it anew, or leave the clip out."
        )
    if not waveform.is_floating_point():
        raise ConfigurationError(
            f"Onsets need sound in [-1, 1] of floating point, not {waveform.dtype}. Divide samples of 16 bits by 32768."
        )
    if not len(waveform):  # of which not every library can take the spectrum
        nothing = waveform.new_zeros(0, (waveform.shape[1] - window) // hop + 1 + HOPS_PER_WINDOW, dtype=torch.float32)
        return Flux(nothing, nothing, hop / sample_rate)
    # The type is named, since Lightning makes another one the default while it trains in 16 bits.
    shape = torch.hann_window(window, dtype=torch.float32, device=waveform.device)
    spectrum = torch.stft(waveform.float(), window, hop, window=shape, center=False, return_complex=True).abs()
    spectrum = spectrum * (2 / shape.sum())
    bands = torch.einsum("kf,bfn->bkn", _filters(window, sample_rate).to(waveform.device), spectrum)
    loudness, power = torch.log1p(COMPRESSION * bands), spectrum.square().sum(dim=1)
    rise = (loudness[..., LAG:] - loudness[..., :-LAG]).clamp(min=0).mean(dim=1)
    louder = (power[..., LAG:] > power[..., :-LAG]).float()
    # Entry 0 stands at time 0: the first window's middle is half a window later, the first difference half a lag more.
    edges = (HOPS_PER_WINDOW // 2 + LAG // 2,) * 2
    return Flux(pad(rise, edges), pad(louder, edges), hop / sample_rate)


@lru_cache
def _filters(window: int, sample_rate: int) -> Tensor:
    """Triangular mel bands ``(bands, frequencies)``, each of weight one, without those between two bins."""
    table = mel_filter_bank(window // 2 + 1, BANDS, LOWEST_HZ, sample_rate / 2, sample_rate)
    filters = torch.from_numpy(table).float().T
    filters = filters[filters.sum(dim=1) > 0]
    return filters / filters.sum(dim=1, keepdim=True)
