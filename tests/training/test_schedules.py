"""Learning-rate schedules."""

import pytest
import torch

from asva_lightning.training import WarmupCosine


def rates(count: int, **settings) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = WarmupCosine(optimizer, **settings)
    seen = []
    for _ in range(count):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_rises_falls_and_stays():
    seen = rates(40, steps=30, warmup=10, floor=0.1)
    assert seen[:10] == pytest.approx([2.0 * (step + 1) / 10 for step in range(10)])
    assert seen[10] == pytest.approx(2.0)
    assert seen[20] == pytest.approx(2.0 * (0.1 + 0.9 / 2))
    assert seen[30:] == pytest.approx([0.2] * 10)
    assert all(one >= other for one, other in zip(seen[10:], seen[11:]))


def trained(count: int, lr: float = 2.0, states: tuple | None = None, **settings):
    """An optimizer and its schedule after some steps, begun anew or from states as a checkpoint restores them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = WarmupCosine(optimizer, **settings)
    if states is not None:
        optimizer.load_state_dict(states[0])
        schedule.load_state_dict(states[1])
    for _ in range(count):
        optimizer.step()
        schedule.step()
    return optimizer, schedule


def test_a_resumed_schedule_is_the_one_that_went_on_bit_for_bit():
    states = [part.state_dict() for part in trained(7, steps=30, warmup=10)]
    for more in (0, 1, 20):
        (one, schedule), (other, _) = (
            trained(more, states=states, steps=30, warmup=10),
            trained(7 + more, steps=30, warmup=10),
        )
        assert one.state_dict() == other.state_dict()
        assert schedule.get_last_lr() == [one.param_groups[0]["lr"]]


def test_the_form_and_the_height_are_those_of_the_recipe_not_of_the_checkpoint():
    states = [part.state_dict() for part in trained(7, steps=30, warmup=10)]
    assert states[1].keys() == {"last_epoch", "_step_count"}
    states[1] |= {"steps": 30, "warmup": 10, "floor": 0.01, "base_lrs": [2.0]}  # as checkpoints once held
    for more in (0, 5):
        rates = [
            optimizer.param_groups[0]["lr"]
            for optimizer, _ in (
                trained(more, lr=3.0, states=states, steps=100, warmup=2, floor=0.5),
                trained(7 + more, lr=3.0, steps=100, warmup=2, floor=0.5),
            )
        ]
        assert rates[0] == rates[1]
