"""Tensors inside shards: where their bytes are, and how a part of them is read."""

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from asva_lightning.data.storage import is_remote, read_bytes
from asva_lightning.errors import MediaError

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "I16": torch.int16}
"""The types of tensors that shards hold, by the names that safetensors gives them."""

FORMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "times": (1, ("F64",)),
    "latents": (6, ("F16", "F32")),
    "waveform": (1, ("I16", "F32")),
    "audio": (3, ("F16", "F32")),
}
"""How many dimensions each tensor of a sample has, and of which types it may be; see shards/README.md."""

_MOST_BYTES = 2**30
"""So many bytes of a tensor are read at a time; a manifest may claim any number."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in a shard: its values in order, the last dimension fastest, little endian.

    Args:
        dtype: Name of its type, one of :data:`TYPES`.
        shape: Its shape.
        offset: Where its first byte is, counted from the beginning of the shard.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def bytes_of_value(self) -> int:
        """Bytes of one value."""
        return TYPES[self.dtype].itemsize

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return prod(self.shape) * self.bytes_of_value

    def stretch(self, address: str, first: int, count: int, depth: int = 1) -> Tensor:
        """Read neighbouring rows.

        Args:
            address: The shard.
            first: The first row, where the first ``depth`` dimensions are counted as one.
            count: How many rows.
            depth: How many dimensions count rows.

        Returns:
            ``(count, *shape[depth:])``.

        Raises:
            MediaError: If there are no such rows, or the shard cannot be read or ends too early.
        """
        rows, row = prod(self.shape[:depth]), prod(self.shape[depth:]) * self.bytes_of_value
        if not 0 <= first <= first + count <= rows:
            raise MediaError(address, f"rows {first} to {first + count} were asked for, but the tensor has {rows}")
        if count * row > _MOST_BYTES:
            raise MediaError(address, f"a part of a tensor is {count * row / 2**30:.1f} GiB large, more than 1 GiB")
        try:
            content = read_bytes(address, self.offset + first * row, count * row)
        except OSError as error:
            raise MediaError(address, f"the shard cannot be read ({error})") from error
        if len(content) < count * row:
            raise MediaError(address, "the shard ends before this sample does; it is truncated")
        if not content:
            return torch.zeros(count, *self.shape[depth:], dtype=TYPES[self.dtype])
        return torch.frombuffer(bytearray(content), dtype=TYPES[self.dtype]).view(count, *self.shape[depth:])

    def rows(self, address: str, rows: Sequence[int], depth: int = 1) -> Tensor:
        """Read some rows in ascending order, ``(len(rows), *shape[depth:])``; see :meth:`stretch`."""
        if is_remote(address):
            # A question to a server takes longer than the bytes between the rows.
            stretch = self.stretch(address, rows[0], rows[-1] - rows[0] + 1, depth)
            return stretch[torch.tensor(rows) - rows[0]]
        return torch.cat([self.stretch(address, row, 1, depth) for row in rows])


def fault_of(name: str, described: Any, begin: int, size: int) -> str:
    """What is wrong with the description of a tensor in a manifest; empty if nothing is.

    Args:
        name: Its name.
        described: What the manifest says of it.
        begin: First byte of the sample in the shard.
        size: Bytes of the sample.
    """
    fault = f"describes no tensor as {name}: {reprlib.repr(described)}"
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "offset"}:
        return fault
    dtype, shape, offset = described["dtype"], described["shape"], described["offset"]
    if not isinstance(shape, list) or not isinstance(dtype, str) or dtype not in TYPES:
        return fault
    if not (type(offset) is int and offset >= 0 and all(type(length) is int and length > 0 for length in shape)):
        return fault
    tensor = stored(described)
    if not begin <= tensor.offset <= tensor.offset + tensor.size <= begin + size:
        return f"places the tensor {name} outside its sample, at byte {tensor.offset}"
    return ""


def fault_of_sample(described: Mapping[str, Any], begin: int, size: int, audio: bool) -> str:
    """What is wrong with the tensors of a sample, each alone and all together; empty if nothing is.

    Args:
        described: What the manifest says of each tensor.
        begin: First byte of the sample in the shard.
        size: Bytes of the sample.
        audio: Whether tokens of the sound must be among them.
    """
    for name, entry in described.items():
        if fault := fault_of(name, entry, begin, size):
            return fault
    lacking = [name for name in FORMS if name not in described and (audio or name != "audio")]
    if lacking:
        return f"lacks the tensor {' and the tensor '.join(lacking)}"
    for name, (dimensions, types) in FORMS.items():
        tensor = stored(described[name]) if name in described else None
        if tensor is not None and (len(tensor.shape) != dimensions or tensor.dtype not in types):
            return (
                f"describes {name} as {tensor.dtype} of shape {tensor.shape}, not as {' or '.join(types)} of "
                f"{dimensions} dimension{'s' * (dimensions > 1)}"
            )
    (times,), (flips, frames, parts, *_) = described["times"]["shape"], described["latents"]["shape"]
    if flips > 2 or parts > 2:
        return f"describes latents of {flips} flips and {parts} parts, not of 1 or 2"
    if times != frames + 1:
        return f"has {times} times for the latents of {frames} frames, not {frames + 1}"
    return ""


def stored(described: Mapping[str, Any]) -> StoredTensor:
    """The tensor that a manifest describes."""
    return StoredTensor(described["dtype"], tuple(described["shape"]), described["offset"])
