import torch
from torch import nn

from asva_lightning.encoders.frozen import Frozen


class Owner(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.own = nn.Linear(2, 2)
        self.frozen = Frozen(network)


def test_a_frozen_network_neither_trains_nor_drops():
    network = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
    on_cpu = Frozen(network).on(torch.device("cpu"))
    assert on_cpu is network
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_its_owner_does_not_know_of_it():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    owner = Owner(network).train().bfloat16()
    assert set(owner.state_dict()) == {"own.weight", "own.bias"}
    assert len(list(owner.parameters())) == 2
    assert not network.training
    assert network[0].weight.dtype == torch.float32


def test_it_is_lent_on_the_device_that_is_asked_for():
    frozen = Frozen(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    moved = frozen.on(torch.device("meta"))
    assert {tensor.device.type for tensor in moved.state_dict().values()} == {"meta"}
    assert len(Frozen(nn.ReLU()).on(torch.device("meta")).state_dict()) == 0
