"""Constructed clips and generators for tests of following: one that draws what it hears, one that does not listen."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from asva_lightning.evaluation.follow_clips import SoundingClip
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.onsets import onset_times

FORMAT = ClipFormat(frames=24, fps=12, height=16, width=16)
BEFORE = 0.6
"""Seconds of sound before and after a clip."""


def draw(picture: Tensor, times: Iterable[float], format: ClipFormat = FORMAT) -> Tensor:
    """A video ``(3, f, h, w)`` in which the left half of the picture turns into its negative at each time."""
    pixels = picture[:, None].repeat(1, format.frames, 1, 1)
    half = format.width // 2
    for time in times:
        first = max(0, math.ceil(time * format.fps))
        pixels[:, first:, :, :half] = 255 - pixels[:, first:, :, :half]
    return pixels


def follower(picture: Tensor, waveform: Tensor, text: str, seed: int, format: ClipFormat = FORMAT) -> Tensor:
    """Moves whenever a sound begins."""
    return draw(picture, onset_times(waveform[None], format.sample_rate)[0].tolist(), format)


def deaf(picture: Tensor, waveform: Tensor, text: str, seed: int, format: ClipFormat = FORMAT) -> Tensor:
    """Moves at times that depend on the noise alone."""
    return draw(picture, np.random.default_rng(seed).uniform(0.2, format.seconds - 0.2, 3), format)


def still(picture: Tensor, waveform: Tensor, text: str, seed: int, format: ClipFormat = FORMAT) -> Tensor:
    """Does not move."""
    return draw(picture, [], format)


def clicking_clip(number: int, category: str = "click", format: ClipFormat = FORMAT) -> SoundingClip:
    """Irregular clicks, at least 0.6 s apart, and a picture that jumps with them; a function of the number."""
    random = np.random.default_rng(1000 + number)
    gaps = random.uniform(0.6, 1.0, 10)
    times = [time for time in np.cumsum(gaps) - gaps[0] * random.random() - BEFORE if time < format.seconds + BEFORE]
    sound = torch.zeros(round((format.seconds + 2 * BEFORE) * format.sample_rate))
    for time in times:
        first = round((time + BEFORE) * format.sample_rate)
        sound[first : first + 64] = 0.6
    picture = torch.from_numpy(random.integers(20, 90, (3, format.height, format.width)).astype(np.uint8))
    inside = [time for time in times if 0 <= time < format.seconds]
    return SoundingClip(f"{category}-{number}", f"a {category}", category, draw(picture, inside, format), sound, BEFORE)
