"""Where the sound acts."""

import torch

from asva_lightning.diffusion.explain import AudioEffect, show_heat


def test_the_effect_is_the_mean_difference_over_steps_and_channels():
    with_sound, without = AudioEffect.passes
    effect = AudioEffect()
    steps = [{with_sound: torch.randn(2, 4, 3, 5, 6), without: torch.randn(2, 4, 3, 5, 6)} for _ in range(3)]
    for step in steps:
        effect(step)
    expected = torch.stack([(step[with_sound] - step[without]).abs().mean(dim=1) for step in steps]).mean(dim=0)
    expected[:, 0] = 0
    torch.testing.assert_close(effect.heat(), expected)


def test_heat_is_shown_where_it_is():
    pixels = torch.full((3, 2, 16, 16), 100, dtype=torch.uint8)
    heat = torch.zeros(2, 4, 4)
    heat[1, 0, 3] = 2.0
    shown = show_heat(pixels, heat, full=2.0)
    assert shown.shape == pixels.shape
    assert shown.dtype == torch.uint8
    assert torch.equal(shown[:, 0], torch.full((3, 16, 16), 35, dtype=torch.uint8))  # grey, darkened
    assert shown[:, 1, 0, 15].min() > 200  # white in the corner that is hot
    assert torch.equal(shown[:, 1, 8:], shown[:, 0, 8:])
    red, green, blue = show_heat(pixels, heat / 6, full=2.0)[:, 1, 0, 15].tolist()
    assert red > green == blue  # a little effect is red


def test_nothing_hot_is_no_division_by_zero():
    shown = show_heat(torch.zeros(3, 2, 8, 8, dtype=torch.uint8), torch.zeros(2, 2, 2), full=0.0)
    assert shown.max() == 0
