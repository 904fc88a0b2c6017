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
