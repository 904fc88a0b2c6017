"""Clips of which it is known when something moves and when something sounds."""

import numpy as np
import torch
from torch import Tensor

RATE = 16_000


def jumping_square(times: list[float], frames: int, fps: float = 30.0, side: int = 32) -> Tensor:
    """A white square that goes to the other side at each of these times, ``(3, f, side, side)``."""
    pixels = torch.zeros(3, frames, side, side, dtype=torch.uint8)
    for frame in range(frames):
        jumps = sum(time <= frame / fps for time in times)
        left = side // 8 if jumps % 2 == 0 else side // 2
        pixels[:, frame, side // 4 : side // 2, left : left + side // 4] = 255
    return pixels


def clicks(times: list[float], seconds: float) -> Tensor:
    """A click of a millisecond at each of these times over quiet noise, ``(samples,)``."""
    sound = np.random.default_rng(0).normal(0, 1e-3, round(seconds * RATE))
    for time in times:
        first = round(time * RATE)
        sound[first : first + 16] += 0.5
    return torch.from_numpy(sound).float()


def drums(times: list[float], seconds: float, pitch: float = 120.0) -> Tensor:
    """A struck skin at each of these times over quiet noise, ``(samples,)``."""
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 1e-3, round(seconds * RATE))
    for time in times:
        since = np.arange(len(sound)) / RATE - time
        decay = np.where(since >= 0, np.exp(-np.maximum(since, 0) / 0.08), 0)
        sound += decay * (0.5 * np.sin(2 * np.pi * pitch * since) + 0.1 * rng.normal(size=len(sound)))
    return torch.from_numpy(sound).float()
