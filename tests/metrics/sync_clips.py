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


def random_clips(count: int, fps: float, seconds: float = 2.0, side: int = 32) -> tuple[Tensor, Tensor]:
    """Sounds ``(count, samples)`` and pictures ``(count, 3, f, h, w)``, some of whose events are near each other."""
    random = np.random.default_rng(round(fps))
    sounds, pictures = [], []
    for _ in range(count):
        heard, others = (random.uniform(0.1, seconds - 0.1, random.integers(least, 7)) for least in (1, 0))
        seen = np.concatenate([heard[::2] + random.normal(0, 0.07, len(heard[::2])), others[:3]])
        struck = sum(random.uniform(0.02, 1) * drums([time], seconds, random.uniform(100, 2000)) for time in heard)
        hiss = 10 ** random.uniform(-4, -1.5) * random.normal(size=round(seconds * RATE))
        sounds.append((struck + torch.from_numpy(hiss)).float())
        cloud = np.abs(random.integers(0, 256, (3, side, 2 * side)).cumsum(axis=2) % 400 - 200)
        steps = random.integers(1, 5, len(seen))
        places = [steps[seen <= frame / fps].sum() for frame in range(round(fps * seconds))]
        frames = np.stack([cloud[:, :, place : place + side] for place in places], axis=1)
        pictures.append(frames + random.integers(0, 6, frames.shape))
    return torch.stack(sounds), torch.from_numpy(np.stack(pictures)).byte()
