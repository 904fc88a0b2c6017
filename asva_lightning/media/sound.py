"""Sound of a file on the clip clock, as mono at the wanted rate."""

import math
from fractions import Fraction
from functools import cache

import numpy as np
import soxr
import torch
from av import AudioLayout
from av.audio.frame import AudioFrame
from numpy.typing import NDArray
from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media.container import MediaFile, Source, checked_seconds, frame_time, open_media
from asva_lightning.media.format import ClipFormat

Samples = NDArray[np.float32]

# Decoders need earlier packets before their output is right: one for AAC, 80 ms for Opus, up to ten for MP3.
WARM_UP = 0.3
# The resampling filter looks this far (seconds) beyond the window at least.
_MARGIN = 0.02
# Containers round times (Matroska to 1 ms), and the times of Vorbis go to and fro by 11 ms where its blocks change
# their size. Pieces that differ less (seconds) from where the last one ended follow it without a seam; a larger
# difference is a real gap or overlap. What was closed counts on, so that sound is never further off than this.
JITTER = 0.012

_SPEAKER_WEIGHTS = {
    **dict.fromkeys(("FL", "FR"), 1.0),
    "FC": math.sqrt(2),
    **dict.fromkeys(("BL", "BR", "SL", "SR", "BC"), 1 / math.sqrt(2)),
    **dict.fromkeys(("LFE", "LFE2"), 0.0),
}


def read_sound(
    path: Source, sample_rate: int = ClipFormat.sample_rate, start: float = 0.0, seconds: float | None = None
) -> Tensor:
    """Read a stretch of a file's sound.

    Second 0 is the file's first video frame, or its first sample where it has no picture. What the sound track does
    not cover is silence.

    Args:
        path: A sound or video file, as a path or binary file.
        sample_rate: Wanted samples a second.
        start: Where the stretch begins, in seconds; may be negative, where sound begins before the picture.
        seconds: Length of the stretch; ``None`` for all to the end of the sound.

    Returns:
        Waveform ``(samples,)``, float32 in [-1, 1].

    Raises:
        MediaError: If the file cannot be read, or has no sound at all in this stretch.
        ConfigurationError: If the rate or the length is not positive, or a time is no finite number.
    """
    checked_seconds("start", start)
    if sample_rate < 1 or (seconds is not None and not 0 < seconds < math.inf):
        raise ConfigurationError(f"Sound needs sample_rate >= 1 and seconds > 0, not {sample_rate} and {seconds}.")
    with open_media(path) as media:
        waveform, covered = sound_window(
            media, sample_rate, start, None if seconds is None else round(seconds * sample_rate)
        )
    if not covered:
        end = "its end" if seconds is None else f"{start + seconds:.3f} s"
        raise MediaError(media.name, f"has no sound between {start:.3f} s and {end}. Start elsewhere.")
    return waveform


def is_silent(waveform: Tensor) -> bool:
    """Whether nothing can be heard: no sample ``(samples,)`` reaches -60 dB of full scale."""
    return not bool((waveform.abs() >= 1e-3).any())


def sound_window(media: MediaFile, sample_rate: int, start: float, samples: int | None) -> tuple[Tensor, float]:
    """Sound of an open file.

    Args:
        media: The open file.
        sample_rate: Wanted samples a second.
        start: Seconds on the clip clock.
        samples: Wanted number of samples; ``None`` for all to the end of the sound.

    Returns:
        The waveform ``(samples,)``, float32 in [-1, 1], and for how many seconds of it there was sound in the file.

    Raises:
        MediaError: If the file has no sound track, or its sound cannot be decoded.
    """
    media.needed_sound()
    track = _Track(media, sample_rate, start, samples)
    for frame in media.sound_frames(start - _MARGIN - WARM_UP):
        if track.full(frame):
            break
        track.add(frame)
    return track.resampled()


class _Track:
    """Collects pieces of sound at the file's own rate, each at its place, and resamples the whole."""

    def __init__(self, media: MediaFile, sample_rate: int, start: float, samples: int | None) -> None:
        self.media, self.sample_rate, self.start, self.samples = media, sample_rate, start, samples
        self.rate = 0
        self.pieces: list[tuple[int, Samples]] = []
        self.end: int | None = None

    def _begin(self, rate: int) -> None:
        """Lay the grids of both rates so that sample 0 of both falls together, a margin before the window."""
        self.rate = rate
        common = math.gcd(rate, self.sample_rate)
        blocks = math.ceil(_MARGIN * common)
        self.margin_in, self.margin_out = blocks * rate // common, blocks * self.sample_rate // common
        self.first = round((self.media.zero + self.start) * rate) - self.margin_in
        self.wanted = None
        if self.samples is not None:
            self.wanted = 2 * self.margin_in + math.ceil(self.samples * rate / self.sample_rate)

    def full(self, frame: AudioFrame) -> bool:
        """Whether the window ends before this piece."""
        return bool(self.rate) and self.wanted is not None and self._place(frame) >= self.wanted

    def add(self, frame: AudioFrame) -> None:
        """Put one decoded piece at its place."""
        if not self.rate:
            self._begin(frame.sample_rate)
        elif frame.sample_rate != self.rate:
            raise MediaError(self.media.name, f"its sound changes from {self.rate} to {frame.sample_rate} Hz midway.")
        place, samples = self._place(frame), mono(frame, self.media.name)
        self.end = place + len(samples)
        if self.end > 0:  # what ends before the margin is met in a file that cannot be entered in its middle
            self.pieces.append((place, samples))

    def _place(self, frame: AudioFrame) -> int:
        place = round(frame_time(frame) * self.rate) - self.first
        if self.end is not None and abs(place - self.end) <= JITTER * self.rate:
            return self.end
        return place

    def resampled(self) -> tuple[Tensor, float]:
        """The window at the wanted rate, ``(samples,)``, and for how many seconds of it there was sound."""
        if not self.rate:  # no sound from here on
            return torch.zeros(self.samples or 0), 0.0
        end = max((place + len(samples) for place, samples in self.pieces), default=0)
        length = max(end, self.margin_in) + self.margin_in if self.wanted is None else self.wanted
        sound, covered = np.zeros(length, np.float32), np.zeros(length, bool)
        for place, samples in self.pieces:
            within = slice(max(place, 0), max(min(place + len(samples), length), 0))
            sound[within] = samples[max(-place, 0) : max(length - place, 0)]
            covered[within] = True
        inside = length - 2 * self.margin_in
        seconds = float(covered[self.margin_in : self.margin_in + inside].sum()) / self.rate
        if not np.isfinite(sound).all():
            raise MediaError(self.media.name, "its sound holds values that are not finite numbers.")
        wanted = round(inside * self.sample_rate / self.rate) if self.samples is None else self.samples
        if self.rate != self.sample_rate:
            sound = soxr.resample(sound, self.rate, self.sample_rate)
        waveform = np.zeros(wanted, np.float32)
        part = sound[self.margin_out : self.margin_out + wanted]
        waveform[: len(part)] = part
        return torch.from_numpy(waveform).clamp_(-1, 1), seconds


def mono(frame: AudioFrame, name: str) -> Samples:
    """One piece of sound in [-1, 1], its channels mixed down; ``(samples,)``."""
    try:
        values = frame.to_ndarray()
    except ValueError as error:  # a sample format that numpy does not have
        raise MediaError(name, f"its sound is stored as {frame.format.name}, which cannot be read.") from error
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    # The last packet of an mp4 is filled up to the codec's block; its duration says how much of it is sound.
    if 0 < (frame.duration or 0) < values.shape[1] and frame.time_base == Fraction(1, frame.sample_rate):
        values = values[:, : frame.duration]
    if values.dtype == np.uint8:
        values = values.astype(np.float32) / 128 - 1
    elif np.issubdtype(values.dtype, np.integer):
        values = values.astype(np.float32) / 2.0 ** (8 * values.itemsize - 1)
    values = values.astype(np.float32, copy=False)
    if channels == 1:
        return values[0]
    mixed: Samples = _weights(frame.layout.name, channels) @ values
    return mixed


@cache
def _weights(layout: str, channels: int) -> Samples:
    """Weight of each channel in the mix; they sum to 1, so that the same signal in all channels keeps its loudness.

    The ratios are those of ITU-R BS.775: a centre counts as both fronts at -3 dB, a surround -3 dB. Layouts with other
    speakers, or of unknown ones, are averaged.
    """
    names = _speakers(layout)
    known = [_SPEAKER_WEIGHTS.get(name, math.nan) for name in names]
    weights = np.array(known if len(names) == channels else [math.nan], np.float32)
    if not np.isfinite(weights).all() or weights.sum() == 0:
        weights = np.ones(channels, np.float32)
    normalised: Samples = weights / weights.sum()
    return normalised


def _speakers(layout: str) -> list[str]:
    try:
        return [channel.name for channel in AudioLayout(layout).channels]
    except ValueError:  # such as "1 channels", where the file does not say which
        return []
