"""The average of the weights."""

import pytest
import torch
from runs_for_tests import checkpoint, fit
from torch import nn

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.training import ExponentialMovingAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[1].bias.requires_grad_(False)
    return net


def steps(net: nn.Module, count: int, average: ExponentialMovingAverage) -> list[dict[str, torch.Tensor]]:
    """Change the weights and update the average; returns the weights after every step, the first ones included."""
    history = [{name: value.detach().clone() for name, value in net.named_parameters()}]
    for _ in range(count):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update()
        history.append({name: value.detach().clone() for name, value in net.named_parameters()})
    return history


@pytest.mark.parametrize("warmup", [0.0, 9.0])
def test_the_average_equals_its_closed_form(warmup):
    net, average = network(), ExponentialMovingAverage(0.8, warmup)
    average.begin(net)
    history = steps(net, 25, average)
    decays = [min(0.8, n / (n + warmup)) for n in range(1, 26)]
    for name, value in average.state()["parameters"].items():
        weights = [torch.tensor(decays[n:], dtype=torch.float64).prod() * (1 if n == 0 else 1 - decays[n - 1])
                   for n in range(26)]  # fmt: skip
        expected = sum(weight * row[name].double() for weight, row in zip(weights, history))
        torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=0)


def test_only_trained_parameters_are_averaged():
    net, average = network(), ExponentialMovingAverage()
    average.begin(net)
    assert set(average.state()["parameters"]) == {"0.weight", "0.bias", "1.weight"}


def test_live_weights_are_untouched_after_the_average_was_lent():
    net, average = network(), ExponentialMovingAverage(0.5, 0)
    average.begin(net)
    live = steps(net, 3, average)[-1]
    kept = average.state()["parameters"]
    with average.applied():
        for name, value in kept.items():
            assert torch.equal(dict(net.named_parameters())[name], value)
            assert not torch.equal(live[name], value)
    for name, value in net.named_parameters():
        assert torch.equal(value, live[name])
    for name, value in average.state()["parameters"].items():
        assert torch.equal(value, kept[name])


def test_live_weights_come_back_after_an_error():
    net, average = network(), ExponentialMovingAverage(0.5, 0)
    average.begin(net)
    live = steps(net, 2, average)[-1]
    with pytest.raises(KeyError), average.applied():
        raise KeyError
    assert all(torch.equal(value, live[name]) for name, value in net.named_parameters())


def test_a_state_is_restored_exactly():
    net, average = network(), ExponentialMovingAverage(0.9)
    average.begin(net)
    steps(net, 4, average)
    other = ExponentialMovingAverage(0.9)
    other.begin(network())
    other.restore(average.state())
    assert other.updates == 4
    for name, value in average.state()["parameters"].items():
        assert torch.equal(other.state()["parameters"][name], value)


def test_a_state_of_another_network_is_refused():
    average = ExponentialMovingAverage()
    average.begin(network())
    with pytest.raises(WeightsError, match="average has no 0.weight"):
        average.restore({"parameters": {"x": torch.zeros(1)}, "updates": 1})


@pytest.mark.parametrize("arguments", [{"decay": 1.0}, {"decay": -0.1}, {"warmup": -1.0}])
def test_settings_that_cannot_work_are_refused(arguments):
    with pytest.raises(ConfigurationError, match="average"):
        ExponentialMovingAverage(**arguments)


def test_accumulated_batches_are_one_update(synth_shards, tmp_path):
    run = fit(synth_shards, tmp_path, "--trainer.accumulate_grad_batches=2", "--trainer.max_steps=3")
    assert checkpoint(run, 3)["average"]["updates"] == 3
