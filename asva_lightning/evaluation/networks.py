"""The networks that a measure holds, wherever it holds them."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePath
from types import MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

DEPTH = 8
"""So many attributes of attributes are followed; what holds its network deeper is none of ours."""

_LEAVES = (str, bytes, int, float, complex, type(None), type, ModuleType, PurePath, Tensor, torch.device, torch.dtype)


def weights_digest(measure: Any) -> str:
    """SHA-256 over all tensors of a measure's networks; empty where it has none.

    Args:
        measure: Any object.
    """
    digest, found = hashlib.sha256(), False
    for network in networks(measure):
        for name, tensor in sorted(network.state_dict().items()):
            if isinstance(tensor, Tensor):
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
                found = True
    return digest.hexdigest() if found else ""


def networks(measure: Any) -> Iterator[nn.Module]:
    """Every network that an object holds, in a fixed order; not those that are part of another one of these.

    Args:
        measure: Any object.
    """
    inside: set[int] = set()
    for part in parts(measure):
        if isinstance(part, nn.Module) and id(part) not in inside:
            inside |= {id(module) for module in part.modules()}
            yield part


def parts(thing: Any) -> Iterator[Any]:
    """An object and all that it holds: attributes, members of lists and dictionaries, and theirs; each once.

    Args:
        thing: Any object.
    """
    yield from _parts(thing, DEPTH, {})


def _parts(thing: Any, depth: int, seen: dict[int, Any]) -> Iterator[Any]:
    if depth < 0 or isinstance(thing, _LEAVES) or id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept, as another object may get the address of one that is gone
    yield thing
    for value in _held(thing):
        yield from _parts(value, depth - 1, seen)


def _held(thing: Any) -> list[Any]:
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, list | tuple):
        return list(thing)
    held = list(getattr(thing, "__dict__", {}).values())
    if isinstance(thing, partial):
        held += [thing.func, thing.args, thing.keywords]
    if isinstance(thing, MethodType):
        held.append(thing.__self__)
    return held
