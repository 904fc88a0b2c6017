"""Writing shards of encoded clips: one file of tensors for each clip goes in, tars and manifests come out."""

import hashlib
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace as with_values
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.packing import write_tar
from asva_lightning.data.stored_tensor import StoredTensor
from asva_lightning.errors import ShardsError

ENDING = "safetensors"
"""Ending of the members that hold tensors."""


def write_encoded_shard(shard: Path, samples: Sequence[SampleRecord], clips: Path) -> list[SampleRecord]:
    """Put encoded clips into a tar, then delete their files; a tar that is there already is kept as it is.

    Args:
        shard: The tar.
        samples: The samples that were encoded, in order.
        clips: Folder of their files, ``<key>.safetensors``.

    Returns:
        The samples as they lie in the tar.

    Raises:
        ShardsError: If the file of a sample is gone.
    """
    if not shard.exists():
        _write(shard, samples, clips)
    for sample in samples:
        clip_file(clips, sample.key).unlink(missing_ok=True)
    with tarfile.open(shard) as archive:
        members = {member.name: member for member in archive.getmembers()}
        return [_record(sample, shard.name, archive, members[f"{sample.key}.{ENDING}"]) for sample in samples]


def clip_file(clips: Path, key: str) -> Path:
    """Where the encoded clip of a key is kept until its shard is written."""
    return clips / f"{key}.{ENDING}"


def _write(shard: Path, samples: Sequence[SampleRecord], clips: Path) -> None:
    lost = [sample.key for sample in samples if not clip_file(clips, sample.key).is_file()]
    if lost:
        raise ShardsError(
            f"{clip_file(clips, lost[0])} is gone, although it was written. Delete {clips.parent} and encode anew."
        )
    write_tar(shard, ((with_values(sample, media=ENDING), _bytes(clips, sample)) for sample in samples))


def _bytes(clips: Path, sample: SampleRecord) -> bytes:
    return clip_file(clips, sample.key).read_bytes()


def _record(sample: SampleRecord, shard: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> SampleRecord:
    """A sample as a manifest names it."""
    file = cast(BufferedReader, archive.extractfile(member))
    tensors = {
        name: with_values(tensor, offset=member.offset_data + tensor.offset) for name, tensor in _header(file).items()
    }
    file.seek(0)
    checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return with_values(
        sample, shard=shard, media=ENDING, offset=member.offset_data, size=member.size, sha256=checksum, tensors=tensors
    )


def _header(file: IO[bytes]) -> dict[str, StoredTensor]:
    """Where the tensors of a safetensors file lie, counted from its beginning."""
    length = int.from_bytes(file.read(8), "little")
    described: dict[str, Any] = json.loads(file.read(length))
    described.pop("__metadata__", None)
    return {
        name: StoredTensor(entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
        for name, entry in described.items()
    }
