"""The part of each parameter's fp32 weights that this process owns, whatever the strategy.

On one device and under DDP that is the whole parameter. Under DeepSpeed ZeRO the fp32 weights are spread over the
ranks: by whole or partial parameters in stages 1 and 2, by equal padded slices in stage 3. Averages and other copies
of the weights follow that layout, so that no step of training needs communication for them.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Fragment:
    """A slice of a flattened parameter.

    Args:
        start: Where it begins in the flattened parameter.
        weights: The fp32 weights, one-dimensional; a view of what the optimizer steps.
    """

    start: int
    weights: Tensor


def own_fragment(parameter: nn.Parameter) -> Fragment | None:
    """The part of a parameter that this process owns; ``None`` if it owns none of it."""
    if _in_stage_3(parameter):
        from deepspeed.utils import safe_get_local_fp32_param

        padded = safe_get_local_fp32_param(parameter)
        start = padded.numel() * dist.get_rank(group=parameter.ds_process_group)  # type: ignore[attr-defined]
        length = max(0, min(padded.numel(), parameter.ds_numel - start))  # type: ignore[attr-defined]
        return Fragment(start, padded[:length]) if length else None
    if _in_stage_1_or_2(parameter):
        mapping: Any = parameter._hp_mapping  # type: ignore[attr-defined]
        return None if mapping is None else Fragment(mapping.lp_fragment_address.start, mapping.hp_fragment)
    return Fragment(0, parameter.data.view(-1))


def write_fragment(parameter: nn.Parameter, weights: Tensor) -> None:
    """Replace the part of a parameter that this process owns; :func:`publish` must follow."""
    if _in_stage_3(parameter):
        from deepspeed.utils import safe_get_local_fp32_param, safe_set_local_fp32_param

        # With optimizer offload the getter returns a copy, so the weights go back through the setter.
        padded = safe_get_local_fp32_param(parameter).clone()
        padded[: len(weights)] = weights
        safe_set_local_fp32_param(parameter, padded)
        return
    fragment = own_fragment(parameter)
    if fragment is not None:
        fragment.weights.copy_(weights)


def publish(wrapped: nn.Module | None) -> None:
    """Refresh the weights that forward passes use from the fp32 fragments, on every rank together.

    Args:
        wrapped: What the strategy made of the module: DeepSpeed's engine, or anything else, for which there is
            nothing to do.
    """
    optimizer: Any = getattr(wrapped, "optimizer", None)
    if hasattr(optimizer, "fp32_partitioned_groups_flat"):
        optimizer.checkpoint_event_prologue()
        for group in range(len(optimizer.fp16_groups)):
            optimizer._reassign_or_swap_out_partitioned_parameters(group)
        optimizer.checkpoint_event_epilogue()
    elif hasattr(optimizer, "update_lp_params"):
        optimizer.update_lp_params()


def full_shape(parameter: nn.Parameter) -> torch.Size:
    """The shape of a parameter, also where only a slice of it is here."""
    return torch.Size(parameter.ds_shape) if _in_stage_3(parameter) else parameter.shape  # type: ignore[attr-defined]


def gather(parameter: nn.Parameter, fragment: Fragment | None) -> Tensor | None:
    """Put the fragments of all ranks together, on rank zero; collective under ZeRO.

    Returns:
        On rank zero a tensor of the parameter's full shape on the CPU, elsewhere ``None``.
    """
    if not (_in_stage_3(parameter) or _in_stage_1_or_2(parameter)):
        assert fragment is not None
        return fragment.weights.detach().cpu().clone().view(parameter.shape) if _rank() == 0 else None
    shape = full_shape(parameter)
    buffer = torch.zeros(shape.numel(), device=parameter.device)
    if fragment is not None:
        buffer[fragment.start : fragment.start + len(fragment.weights)] = fragment.weights
    dist.reduce(buffer, 0)
    return buffer.cpu().view(shape) if _rank() == 0 else None


def scatter(parameter: nn.Parameter, full: Tensor | None) -> Tensor | None:
    """This rank's fragment of a tensor that rank zero holds in full; collective.

    Returns:
        The values of the fragment, ``None`` if this rank owns no part of the parameter.
    """
    shape = full_shape(parameter)
    buffer = torch.empty(shape.numel(), device=parameter.device)
    if full is not None:
        buffer.copy_(full.reshape(-1))
    if dist.is_initialized():
        dist.broadcast(buffer, 0)
    fragment = own_fragment(parameter)
    return None if fragment is None else buffer[fragment.start : fragment.start + len(fragment.weights)].clone()


def _in_stage_3(parameter: nn.Parameter) -> bool:
    return hasattr(parameter, "ds_id")


def _in_stage_1_or_2(parameter: nn.Parameter) -> bool:
    return hasattr(parameter, "_hp_mapping")


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0
