"""Randomness that is derived, never stored: the same arguments give the same numbers on any rank, after any resume."""

from enum import IntEnum

import numpy as np
import torch

from asva_lightning.errors import ConfigurationError


class Purpose(IntEnum):
    """What random numbers are for; each purpose has a stream of its own, so that one more draw moves no other."""

    ORDER = 0
    CROP = 1
    SUBSTITUTE = 2
    TRAINING = 3
    SAMPLING = 4
    SPLIT = 5


def check_seed(seed: int) -> None:
    """Check a seed before anything costs time.

    Raises:
        ConfigurationError: If it is negative, or has more than 63 bits, which torch does not take.
    """
    if not 0 <= seed < 2**63:
        raise ConfigurationError(f"A seed is a whole number from 0 to 2^63 - 1, not {seed}. Set it to one such as 0.")


def numpy_generator(seed: int, purpose: Purpose, *words: int) -> np.random.Generator:
    """Random numbers that are a function of ``(seed, purpose, words)``.

    Raises:
        ConfigurationError: If the seed is negative.
    """
    check_seed(seed)
    return np.random.default_rng(np.random.SeedSequence([seed, purpose, *words]))


def torch_generator(
    seed: int, purpose: Purpose, position: int, device: torch.device | str = "cpu", part: int = 0
) -> torch.Generator:
    """A generator on a device that is a function of ``(seed, purpose, position, part)``.

    Raises:
        ConfigurationError: If the seed is negative.
    """
    check_seed(seed)
    word = np.random.SeedSequence([seed, purpose, position, *([part] if part else [])]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(word >> np.uint64(1)))
