"""Weight files and diffusers folders to tensors, without ever running what a file holds."""

import json
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from asva_lightning.errors import WeightsError

PICKLED = (".bin", ".pth", ".pt", ".ckpt", ".tar")
"""Suffixes of files that ``torch.save`` wrote; ``.tar`` is the end of ``.pth.tar``, which holds no archive."""

DAMAGE = (
    zipfile.BadZipFile, struct.error, OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError,
)  # fmt: skip
"""What ``torch.load`` was seen to raise for files with random changes, besides ``UnpicklingError``."""

WRAPPERS = ("state_dict", "model")
"""Keys under which training programs put the tensors, beside their optimizer and counters."""


def read_tensors(path: Path, what: str) -> dict[str, Tensor]:
    """Read the tensors of one file; large ones stay on disk until they are used.

    Args:
        path: A ``.safetensors`` file, or a ``.bin``, ``.pth``, ``.pth.tar``, ``.pt`` or ``.ckpt`` file that
            ``torch.save`` wrote.
        what: In words, what the file should hold; for messages.

    Returns:
        Tensors by name, on the CPU, in the type they are stored in.

    Raises:
        WeightsError: If the file is missing or damaged, or holds anything but tensors by name.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing. It should hold {what}. Check the path, or copy the file there.")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise _damaged(path, what, str(error)) from error
    if path.suffix in PICKLED:
        return _tensors_of(load_safely(path, what), path, what)
    raise WeightsError(
        f"{path} should hold {what}, but its name does not end in .safetensors, {', '.join(PICKLED)}. "
        "Give the weight file itself."
    )


def read_model_folder(folder: Path, what: str, stem: str = "diffusion_pytorch_model") -> dict[str, Tensor]:
    """Read the tensors of a model folder in the layout of diffusers and transformers.

    Taken is the first of these that the folder has: safetensors; bin; the same in another precision or kind, such as
    ``.fp16``. Each may be one file, or shards with an index.

    Args:
        folder: The folder.
        what: In words, what it should hold; for messages.
        stem: Beginning of the file names: ``diffusion_pytorch_model`` for diffusers, ``model`` or ``pytorch_model``
            for transformers.

    Returns:
        Tensors by name, on the CPU, in the type they are stored in.

    Raises:
        WeightsError: If the folder has no weights, several kinds of which none is the plain one, or a damaged file.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder} is missing. It should be the folder of {what}. Check the path.")
    for suffix in ("safetensors", "bin"):
        file, index = folder / f"{stem}.{suffix}", folder / f"{stem}.{suffix}.index.json"
        if file.is_file():
            return read_tensors(file, what)
        if index.is_file():
            return _read_shards(index, what)
    for suffix in ("safetensors", "bin"):
        variants = _variants(folder, stem, suffix)
        if len(variants) > 1:
            raise WeightsError(
                f"{folder} holds {what} in several kinds and no plain one: {', '.join(sorted(variants))}. "
                f"Name the one to use {stem}.{suffix}, or keep only that one."
            )
        for file in variants.values():
            return _read_shards(file, what) if file.suffix == ".json" else read_tensors(file, what)
    raise WeightsError(
        f"{folder} has no {stem}.safetensors or {stem}.bin, so it is not {what}. "
        "Give the folder that holds config.json and the weights."
    )


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json`` of a model folder.

    Raises:
        WeightsError: If it is missing or holds no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(f"{path} is missing. Give the folder that holds config.json and the weights.")
    return _read_json(path)


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights of a training that diverged.

    Args:
        tensors: Tensors by name.
        where: What they are or which file they come from; begins the message.

    Raises:
        WeightsError: If a floating-point tensor holds NaN or infinity; the first one is named.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            bad = int((~tensor.isfinite()).sum())
            raise WeightsError(
                f"{where}: tensor {name} holds {bad} values that are NaN or infinite, so this training has diverged "
                "or the file is damaged. Use an earlier checkpoint, or fetch the file again."
            )


def load_safely(path: Path, what: str) -> Any:
    """What ``torch.save`` wrote, if it holds nothing but tensors and plain values; large tensors stay on disk.

    Args:
        path: The file.
        what: In words, what it should hold; for messages.

    Raises:
        WeightsError: If it is damaged, or holds objects or a program.
    """
    try:
        # Files from before torch 1.6 are no zip archives and cannot be mapped into memory.
        archive = zipfile.is_zipfile(path)
        if not (archive and _is_torchscript(path)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except UnpicklingError as error:
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign is None:
            raise _damaged(path, what, "it is not what torch.save writes") from error
        raise WeightsError(
            f"{path} should hold {what}, but holds objects of {foreign[1]} beside tensors, which could run any "
            "program; it was not loaded. Save its tensors alone (a state dict) with safetensors, on a machine where "
            "you trust it."
        ) from error
    except DAMAGE as error:
        raise _damaged(path, what, str(error) or "it ends too early") from error
    raise WeightsError(
        f"{path} should hold {what} as tensors by name, but is a TorchScript program. "
        "Give the file of its tensors (a state dict)."
    )


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _tensors_of(content: Any, path: Path, what: str) -> dict[str, Tensor]:
    """Take the tensors out of what a training program put around them."""
    if isinstance(content, Mapping):
        wrapped = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        content = wrapped[0] if wrapped else content
    found = _unlike_tensors(content)
    if found is None:
        return dict(content)
    raise WeightsError(
        f"{path} should hold {what} as tensors by name, at its top or under {' or '.join(WRAPPERS)}, but holds {found}."
        " Give the file of the network's weights."
    )


def _unlike_tensors(content: Any) -> str | None:
    """In words, what keeps this from being tensors by name; ``None`` where it is that."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    others = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if others:
        return f"entries that are no tensors: {', '.join(others[:5])}"
    numbers = [str(name) for name in content if not isinstance(name, str)]
    if numbers:
        return f"names that are no text: {', '.join(numbers[:5])}"
    return None if content else "nothing"


def _variants(folder: Path, stem: str, suffix: str) -> dict[str, Path]:
    """Files that are weights in another precision or kind, by its name; an index stands for its shards."""
    one = re.compile(rf"{re.escape(stem)}\.([A-Za-z0-9_]+)\.{suffix}")
    index = re.compile(rf"{re.escape(stem)}\.{suffix}\.index\.([A-Za-z0-9_]+)\.json")
    matches = ((one.fullmatch(file.name) or index.fullmatch(file.name), file) for file in sorted(folder.iterdir()))
    return {match[1]: file for match, file in matches if match}


def _read_shards(index: Path, what: str) -> dict[str, Tensor]:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise _damaged(index, f"the index of {what}", "it has no weight_map")
    tensors: dict[str, Tensor] = {}
    for name in sorted({str(file) for file in places.values()}):
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise WeightsError(
                f"{index} points to {name!r}, which is not a file name in its folder; it was not opened. "
                "Fetch the folder again from a source you trust."
            )
        tensors |= read_tensors(index.parent / name, f"a part of {what}")
    for tensor, file in places.items():
        if tensor not in tensors:
            raise _damaged(index.parent / str(file), f"a part of {what}", f"the index promises tensor {tensor}")
    return tensors


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is damaged: {error}. Copy or fetch it again.") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__} where a JSON object belongs. Fetch it again.")
    return content


def _damaged(path: Path, what: str, reason: str) -> WeightsError:
    first_line = reason.splitlines()[0].strip()
    return WeightsError(
        f"{path} cannot be read; it is damaged or was not copied whole ({first_line}). "
        f"It should hold {what}. Copy or fetch it again."
    )
