"""Building blocks of sound: short notes, where to put them, and the room they are heard in."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from asva_lightning.data.synthsync.shapes import Array
from asva_lightning.data.synthsync.track import EventTrack
from asva_lightning.media.format import ClipFormat

RATE = ClipFormat.sample_rate
_ATTACK = 0.001
_NOISE_FLOOR = 10 ** (-50 / 20)


def clock(seconds: float) -> Array:
    """Time of each sample of a sound of this length, in seconds."""
    return np.arange(round(seconds * RATE), dtype=np.float32) / np.float32(RATE)


def ring(seconds: float, pitches: ArrayLike, levels: ArrayLike, decays: ArrayLike) -> Array:
    """Sum of partials that die away, each with its pitch in Hz, its level, and its decay time in seconds."""
    time = clock(seconds)
    pitch, level, decay = (np.asarray(values, dtype=np.float32)[:, None] for values in (pitches, levels, decays))
    return np.asarray((level * np.sin(2 * np.pi * pitch * time) * np.exp(-time / decay)).sum(axis=0))


def hiss(rng: np.random.Generator, seconds: float, decay: float, dull: int = 1) -> Array:
    """White noise that dies away; a running mean over ``dull`` samples takes its treble away."""
    noise = rng.standard_normal(round(seconds * RATE)).astype(np.float32)
    if dull > 1:
        noise = np.convolve(noise, np.full(dull, dull**-0.5, dtype=np.float32), mode="same")
    return np.asarray(noise * np.exp(-clock(seconds) / decay))


def place(notes: Sequence[Array], track: EventTrack, seconds: float) -> Array:
    """Put one note at each onset, at the event's strength, with an attack of a millisecond.

    Args:
        notes: One sound for each event; all are brought to the same peak.
        track: Onsets and strengths.
        seconds: Length of the result.

    Returns:
        The sound, ``(samples,)``.
    """
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    for note, onset, strength in zip(notes, track.onsets, track.strengths):
        first = round(onset * RATE)
        shaped = note * np.minimum(clock(len(note) / RATE) / _ATTACK, 1)
        shaped *= strength / np.abs(shaped).max()
        sound[first : first + len(shaped)] += shaped[: len(sound) - first]
    return sound


def along(track: EventTrack, seconds: float) -> Array:
    """The control curve of the track at every sample, ``(samples,)``."""
    frames = np.arange(len(track.control)) * seconds / len(track.control)
    return np.interp(clock(seconds), frames, track.control).astype(np.float32)


def voice(pitch: Array, levels: Sequence[float]) -> Array:
    """A tone of harmonics with these levels whose pitch, in Hz, is given for every sample."""
    phase = 2 * np.pi * np.cumsum(pitch, dtype=np.float64) / RATE
    turn = np.exp(1j * phase).astype(np.complex64)
    # Each harmonic is a power of the first, by Horner's rule: one multiplication each instead of a sine.
    total = np.zeros_like(turn)
    for level in reversed(levels):
        total = (total + np.complex64(level)) * turn
    return np.asarray(total.imag)


def in_a_room(rng: np.random.Generator, sound: Array) -> Array:
    """Bring a sound to a peak between 0.5 and 0.9 and add the quiet noise of a room, at -50 dB."""
    level = rng.uniform(0.5, 0.9) / max(float(np.abs(sound).max()), 1e-9)
    room = rng.standard_normal(len(sound), dtype=np.float32) * np.float32(_NOISE_FLOOR)
    return np.asarray(sound * np.float32(level) + room)
