"""Derived randomness."""

import numpy as np
import pytest
import torch

from asva_lightning.data.randomness import Purpose, check_seed, numpy_generator, torch_generator
from asva_lightning.errors import ConfigurationError


def test_the_same_words_give_the_same_numbers_and_others_give_others():
    drawn = {
        words: numpy_generator(*words).integers(2**62)
        for words in [
            (0, Purpose.ORDER, 1),
            (1, Purpose.ORDER, 1),
            (0, Purpose.CROP, 1),
            (0, Purpose.ORDER, 2),
            (0, Purpose.ORDER, 1, 1),
        ]
    }
    assert len(set(drawn.values())) == len(drawn)
    assert all(numpy_generator(*words).integers(2**62) == number for words, number in drawn.items())


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_that_no_generator_takes_are_refused(seed):
    for draw in (
        lambda: check_seed(seed),
        lambda: numpy_generator(seed, Purpose.ORDER),
        lambda: torch_generator(seed, Purpose.SAMPLING, 0),
    ):
        with pytest.raises(ConfigurationError, match=f"from 0 to .* not {seed}"):
            draw()


def test_neighbouring_positions_have_unrelated_noise():
    noise = torch.stack(
        [torch.randn(2000, generator=torch_generator(0, Purpose.TRAINING, position)) for position in range(20)]
    )
    assert torch.equal(noise[3], torch.randn(2000, generator=torch_generator(0, Purpose.TRAINING, 3)))
    others = np.corrcoef(noise.numpy())[~np.eye(20, dtype=bool)]
    assert abs(others).max() < 0.1


def test_no_global_generator_is_touched():
    torch.manual_seed(0)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    torch.randn(3, generator=torch_generator(0, Purpose.SAMPLING, 1))
    numpy_generator(0, Purpose.CROP, 1).random(3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
