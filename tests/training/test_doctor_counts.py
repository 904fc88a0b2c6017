"""What doctor counts: memory by hand, and passes on the meta device beside real ones."""

import gc
import resource

import pytest
import torch
from runs_for_tests import SMALL_DENOISER
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import Conditions, segment_mask
from asva_lightning.training.compute import Compute
from asva_lightning.training.doctor.checkpoints import Checkpoints
from asva_lightning.training.doctor.measure import AsOnGPU, id_of, measure
from asva_lightning.training.doctor.memory import PRECISIONS, Memory, checkpoint_size, memory
from asva_lightning.training.doctor.step import Shapes, measure_step


def test_memory_by_hand():
    """1000 trained and 200 frozen parameters on 4 devices."""
    plain = {"trained": 1000, "frozen": 200, "devices": 4, "average": True, "activations": 70}
    bf16, fp32 = PRECISIONS["bf16-mixed"], PRECISIONS["32-true"]
    assert memory(stage=0, precision=bf16, **plain) == Memory(4800, 8000, 8000, 4000, 70)
    assert memory(stage=1, precision=bf16, **plain) == Memory(2400, 2000, 3000, 1000, 70)
    assert memory(stage=2, precision=bf16, **plain) == Memory(2400, 500, 3000, 1000, 70)
    assert memory(stage=3, precision=bf16, **plain) == Memory(600, 500, 3000, 1000, 70)
    assert memory(stage=2, precision=fp32, **plain) == Memory(4800, 1000, 3000, 1000, 70)
    assert memory(stage=3, precision=fp32, **plain) == Memory(1200, 1000, 2000, 1000, 70)
    alone = plain | {"devices": 1, "average": False}
    assert memory(stage=0, precision=fp32, **alone) == Memory(4800, 4000, 8000, 0, 70)
    assert memory(stage=0, precision=fp32, **alone).total == 16870
    assert checkpoint_size(1000, average=True) == 16000
    assert checkpoint_size(1000, average=False) == 12000


@pytest.mark.parametrize(
    ("autocast", "saved"),
    [
        # Input 2x8, first result 2x16, after GELU 2x16, second result 2x4, in fp32.
        (None, 4 * (16 + 32 + 32 + 8)),
        # The first three in bf16, and so the copy of the second weight 4x16; the loss in fp32.
        (torch.bfloat16, 2 * (16 + 32 + 32) + 2 * 64 + 4 * 8),
    ],
)
def test_a_pass_by_hand(autocast, saved):
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
        batch = torch.empty(2, 8)
    counted = measure(network, lambda: network(batch).float().square().mean(), autocast)
    assert counted.forward == 2 * 2 * (8 * 16 + 16 * 4)
    assert counted.both == counted.forward + 2 * 2 * (8 * 16 + 2 * 16 * 4), "the input needs no gradient"
    assert counted.saved == saved


def test_activations_are_what_a_real_pass_keeps():
    """The same network on the CPU with real numbers, where torch has a fused attention of its own."""
    with torch.device("meta"):
        counted = AVSyncUNet(**SMALL_DENOISER)
    mask = segment_mask(4)
    estimate = measure_step(counted, Shapes(4, 16, 16, 3, mask), clips=2, dtype=torch.float32)
    unet = AVSyncUNet(**SMALL_DENOISER)
    weights = {id_of(parameter) for parameter in unet.parameters()}
    kept = {}

    def pack(tensor):
        if id_of(tensor) not in weights and tensor.is_floating_point():
            kept[id_of(tensor)] = tensor.untyped_storage()
        return tensor

    conditions = Conditions(torch.randn(2, 3, 16), torch.randn(2, 229, 16), mask)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        unet(torch.randn(2, 4, 4, 16, 16), torch.zeros(2, dtype=torch.long), conditions).square().mean()
    assert estimate.saved == pytest.approx(sum(storage.nbytes() for storage in kept.values()), rel=0.03)


def test_a_checkpointed_pass_by_hand():
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
        batch = torch.empty(2, 8)
    checkpoints = Checkpoints(AsOnGPU)
    counted = measure(network, lambda: checkpoints(network, batch).square().mean(), None, checkpoints)
    # What enters, 2x8, and what the loss keeps of the result, 2x4; while it is computed once more 2x16 twice.
    assert counted.saved == 4 * (16 + 8 + 32 + 32)
    # The second time ends before the last product, of which only the inputs are wanted.
    assert counted.both - counted.forward == 2 * 2 * (8 * 16 + 2 * 16 * 4) + 2 * 2 * 8 * 16


class Live(TorchDispatchMode):
    """Notes the memory of every result, by weak references."""

    def __init__(self):
        super().__init__()
        self.storages = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        for result in results if isinstance(results, tuple | list) else [results]:
            if isinstance(result, torch.Tensor):
                self.storages[result.untyped_storage()] = True
        return results

    def size(self) -> int:
        return sum(storage.nbytes() for storage in self.storages)


def test_checkpointed_activations_are_what_lives_in_a_real_pass():
    """Before the backward pass; what the largest block holds in it is counted on top."""
    with torch.device("meta"):
        counted = AVSyncUNet(**SMALL_DENOISER)
    mask = segment_mask(4)
    shapes = Shapes(4, 16, 16, 3, mask)
    plain = measure_step(counted, shapes, clips=2, dtype=torch.float32)
    estimate = measure_step(counted, shapes, clips=2, dtype=torch.float32, checkpointing=True)
    unet = AVSyncUNet(**SMALL_DENOISER)
    Compute(activation_checkpointing=True).apply(unet)
    conditions = Conditions(torch.randn(2, 3, 16), torch.randn(2, 229, 16), mask)
    with Live() as live:
        loss = unet(torch.randn(2, 4, 4, 16, 16), torch.zeros(2, dtype=torch.long), conditions).square().mean()
        gc.collect()
        kept = live.size()
        loss.backward()
    assert 0.6 * estimate.saved < kept < estimate.saved < plain.saved / 3
    assert estimate.forward == plain.forward
    assert plain.both < estimate.both < plain.both + plain.forward


def test_the_unet_at_full_size_costs_no_memory():
    with torch.device("meta"):
        unet = AVSyncUNet()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counted = measure_step(unet, Shapes(12, 32, 32, 77, segment_mask(12)), clips=1, dtype=torch.float32)
    assert counted.forward == pytest.approx(2.597e12, rel=1e-3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kB"
