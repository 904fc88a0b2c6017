"""What one forward and backward pass computes and keeps, counted on the meta device."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from asva_lightning.training.doctor.checkpoints import Checkpoints, tensors_in

LOWER = {
    functional.linear, functional.conv1d, functional.conv2d, functional.conv3d, torch.matmul, torch.Tensor.matmul,
    torch.Tensor.__matmul__, torch.bmm, torch.einsum,
}  # fmt: skip
"""Functions whose inputs autocast turns into the 16-bit type on a GPU."""

FULL = {functional.layer_norm, functional.group_norm, torch.layer_norm, torch.group_norm}
"""Functions that autocast computes in fp32 on a GPU."""


@dataclass(frozen=True)
class Measured:
    """One forward and backward pass.

    Args:
        forward: Floating-point operations of the forward pass; a multiplication and an addition are two.
        both: Those of forward and backward pass.
        saved: Bytes that autograd keeps from the forward pass for the backward pass; with activation checkpointing also
            those of the largest block while it is computed once more.
    """

    forward: int
    both: int
    saved: int


class AsOnGPU(TorchFunctionMode):
    """Lets the meta device keep what a GPU would: attention by a fused kernel, and the types that autocast chooses.

    The meta device would otherwise take attention apart and keep all its scores, and it knows no autocast.

    Args:
        autocast: The 16-bit type of autocast; none if not given.
    """

    def __init__(self, autocast: torch.dtype | None = None) -> None:
        super().__init__()
        self.autocast = autocast

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one function of torch."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            queries, keys, values = self._cast(args[:3], self.autocast)
            return _fused(queries, keys, values, kwargs.get("attn_mask"))
        if func in LOWER:
            args = self._cast(args, self.autocast)
            kwargs = dict(zip(kwargs, self._cast(kwargs.values(), self.autocast)))
        elif func in FULL and self.autocast is not None:
            args = self._cast(args, torch.float32)
            kwargs = dict(zip(kwargs, self._cast(kwargs.values(), torch.float32)))
        return func(*args, **kwargs)

    def _cast(self, values: Iterable[Any], dtype: torch.dtype | None) -> tuple[Any, ...]:
        return tuple(
            value.to(dtype) if dtype is not None and isinstance(value, Tensor) and value.is_floating_point() else value
            for value in values
        )


class Kept(saved_tensors_hooks):
    """While entered, notes what autograd keeps.

    Args:
        apart: Identities of memory that does not count.
    """

    def __init__(self, apart: Iterable[int]) -> None:
        super().__init__(self.add, lambda tensor: tensor)
        self._apart = set(apart)
        self.storages: dict[int, torch.UntypedStorage] = {}  # holds them, so that no two can share an identity

    def add(self, tensor: Tensor) -> Tensor:
        """Note one tensor, and return it."""
        if tensor.device.type == "meta" and id_of(tensor) not in self._apart:
            self.storages[id_of(tensor)] = tensor.untyped_storage()
        return tensor

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(storage.nbytes() for storage in self.storages.values())


def measure(
    network: nn.Module,
    loss: Callable[[], Tensor],
    autocast: torch.dtype | None = None,
    checkpoints: Checkpoints | None = None,
) -> Measured:
    """Count one pass.

    Args:
        network: A network on the meta device; its weights do not count as kept.
        loss: Runs it forward on meta tensors.
        autocast: The 16-bit type of autocast; none if not given.
        checkpoints: What the network calls its blocks by, if these are computed once more in the backward pass.
    """
    weights = {id_of(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept = Kept(weights)
    with FlopCounterMode(display=False) as counter, kept:
        with AsOnGPU(autocast):
            value = loss()
        forward = counter.get_total_flops()
        value.backward()
        both = counter.get_total_flops()
    network.zero_grad(set_to_none=True)
    calls = [] if checkpoints is None else checkpoints.calls
    for tensor in tensors_in(calls):
        kept.add(tensor)
    largest = 0
    for block, inputs in calls:
        within = Kept({*weights, *kept.storages})
        with within, AsOnGPU(autocast):
            block(*inputs)
        largest = max(largest, within.size)
    return Measured(forward, both, kept.size + largest)


def id_of(tensor: Tensor) -> int:
    """Identity of the memory below a tensor, which views share."""
    return tensor.untyped_storage()._cdata


def _fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attention that keeps its inputs, its result and one number a query."""
    bias = None
    if mask is not None:
        small = torch.empty(mask.shape, dtype=queries.dtype, device="meta")
        bias = small.expand(*queries.shape[:3], keys.shape[2])
    attended: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(queries, keys, values, bias, True)[0]
    return attended
