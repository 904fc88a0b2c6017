"""What the benchmarks compare with: the network without sharing is the same function, for more arithmetic."""

import copy
import importlib
import sys

import pytest
import torch

LEVELS = torch.tensor([10, 700])


@pytest.fixture
def benchmarks(monkeypatch, golden):
    monkeypatch.syspath_prepend(str(golden.parent.parent / "benchmarks"))
    yield lambda name: importlib.import_module(name)
    for name in ("flops", "unshared", "seeds"):
        sys.modules.pop(name, None)


@torch.no_grad()
def test_sharing_changes_no_number(benchmarks, small):
    unet, sample, conditions = small.unet(), small.sample(), small.conditions()
    expected = unet(sample, LEVELS, conditions)
    unshared = benchmarks("unshared").unshare(copy.deepcopy(unet))
    torch.testing.assert_close(unshared(sample, LEVELS, conditions), expected, rtol=0, atol=2e-5)
    lookups = [module for module in unshared.modules() if type(module).__name__ == "UnsharedLookup"]
    assert len(lookups) == sum(name.endswith("conv_temp.weight") for name in unet.state_dict())


def test_the_arithmetic_of_the_full_size_network(benchmarks):
    original, gathered, masked = benchmarks("flops").measure().values()
    assert original == pytest.approx(2.954, abs=0.001)
    assert gathered <= 2.597
    assert masked <= 2.63
