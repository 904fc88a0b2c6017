"""Tensors inside shards: where their bytes are, and how a part of them is read."""

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
            MediaError: If the shard cannot be read or ends too early.
        """
        row = prod(self.shape[depth:]) * self.bytes_of_value
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
    fault = f"describes no tensor as {name}: {described!r}"
    if not isinstance(described, dict) or described.keys() != {"dtype", "shape", "offset"}:
        return fault
    shape, offset = described["shape"], described["offset"]
    if not isinstance(shape, list) or described["dtype"] not in TYPES:
        return fault
    if not all(type(number) is int and number >= 0 for number in (*shape, offset)):
        return fault
    tensor = stored(described)
    if not begin <= tensor.offset <= tensor.offset + tensor.size <= begin + size:
        return f"places the tensor {name} outside its sample, at byte {tensor.offset}"
    return ""


def stored(described: Mapping[str, Any]) -> StoredTensor:
    """The tensor that a manifest describes."""
    return StoredTensor(described["dtype"], tuple(described["shape"]), described["offset"])
