"""Looking at a sample that holds latents: whether its bytes and tensors are what the manifest says."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from asva_lightning.data.encoded_clip import FULL_SCALE
from asva_lightning.data.fingerprints import sound_prints
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.storage import read_bytes
from asva_lightning.data.stored_tensor import TYPES
from asva_lightning.errors import ShardsError
from asva_lightning.media import ClipFormat

_AT_ONCE = 2**26
"""So many bytes are asked for at a time: a manifest may claim a size that no memory holds."""


def inspect_latents(sample: SampleRecord, sample_rate: int, longest: float) -> NDArray[np.int64]:
    """Read a whole sample, compare it with the manifest, and take the fingerprints of its sound.

    Args:
        sample: A sample that holds latents.
        sample_rate: Samples of its sound a second.
        longest: So many seconds of its sound are looked at.

    Returns:
        Numbers ``(n,)``, see :func:`asva_lightning.data.fingerprints.sound_prints`; none of a sound at another rate
        than that of media files, whose fingerprints could not be compared.

    Raises:
        ShardsError: If it is not what the manifest says, or not all values are finite numbers.
    """
    tensors = _tensors(sample, _content(sample))
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ShardsError(f"its {name} are no finite numbers")
    times = tensors["times"]
    if not (len(times) > 1 and times[0] == 0 and (times.diff() > 0).all()):
        raise ShardsError("its times do not ascend from 0")
    if sample_rate != ClipFormat.sample_rate:
        return np.zeros(0, np.int64)
    waveform = tensors["waveform"][: round(longest * sample_rate)]
    return sound_prints(waveform / FULL_SCALE if waveform.dtype == torch.int16 else waveform, sample_rate)


def _content(sample: SampleRecord) -> bytes:
    """The bytes of a sample, which are those of its checksum."""
    content = bytearray()
    try:
        while len(content) < sample.size:
            wanted = min(_AT_ONCE, sample.size - len(content))
            read = read_bytes(sample.address, sample.offset + len(content), wanted)
            if not read:
                raise ShardsError("the shard ends before this sample does; it is truncated")
            content += read
    except OSError as error:
        raise ShardsError(f"the shard cannot be read ({error})") from error
    if sample.sha256 and hashlib.sha256(content).hexdigest() != sample.sha256:
        raise ShardsError("its bytes are not those of the checksum: the shard was changed or is damaged")
    return bytes(content)


def _tensors(sample: SampleRecord, content: bytes) -> dict[str, Tensor]:
    """The tensors that the manifest names, which are those of the file."""
    try:
        held = load(content)
    except SafetensorError as error:
        raise ShardsError(f"is no safetensors file: {error}") from error
    for name, stored in sample.tensors.items():
        begin = stored.offset - sample.offset
        placed, tensor = content[begin : begin + stored.size], held.get(name)
        if tensor is None or (tensor.dtype, tuple(tensor.shape)) != (TYPES[stored.dtype], stored.shape):
            raise ShardsError(f"holds no tensor {name} of the type and shape that the manifest says")
        if tensor.numpy().tobytes() != placed:
            raise ShardsError(f"holds the tensor {name} not where the manifest says")
    return {name: held[name] for name in sample.tensors}
