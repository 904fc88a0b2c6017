"""Randomness that is derived, never stored: the same arguments give the same numbers on any rank, after any resume."""

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What random numbers are for; each purpose has a stream of its own, so that one more draw moves no other."""

    ORDER = 0
    CROP = 1
    SUBSTITUTE = 2
    TRAINING = 3
    SAMPLING = 4
    SPLIT = 5


def numpy_generator(seed: int, purpose: Purpose, *words: int) -> np.random.Generator:
    """Random numbers that are a function of ``(seed, purpose, words)``."""
    return np.random.default_rng(np.random.SeedSequence([seed, purpose, *words]))


def torch_generator(
    seed: int, purpose: Purpose, position: int, device: torch.device | str = "cpu", part: int = 0
) -> torch.Generator:
    """A generator on a device that is a function of ``(seed, purpose, position, part)``."""
    word = np.random.SeedSequence([seed, purpose, position, *([part] if part else [])]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(word >> np.uint64(1)))
