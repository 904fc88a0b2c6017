"""The files of the released classifier: a folder for each of its three parts, or one file of all tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from asva_lightning.files import replace, write_text
from asva_lightning.metrics.sync_classifier.classifier import WIDTHS, SyncClassifier
from asva_lightning.weights import missing, read_model_folder, read_tensors

WHAT = "the weights of the sync classifier"

PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "audio_encoder": ("AudioConv2DNet", {"pretrained": False}),
    "video_encoder": ("VideoR2Plus1DNet", {"pretrained": False}),
    "head": ("FCHead", {"dim": WIDTHS[-1], "out_dim": 1, "dropout": 0.0}),
}
"""Folder of each part, and what the original's ``config.json`` says in it."""


def read_released(path: str | Path) -> SyncClassifier:
    """Read a classifier.

    Args:
        path: The folder ``checkpoint-40000/modules`` of the release, or one file of all tensors: a state dict, also
            below keys such as ``state_dict`` or ``model``, or as part of a larger network, so that a checkpoint of a
            run of ``SyncTask`` is read as it is.

    Returns:
        The classifier in eval mode.

    Raises:
        WeightsError: If it is missing, damaged, or something else.
    """
    path = Path(path)
    if not path.exists():
        without = "Or train a classifier with experiments/sync_classifier.yaml."
        raise missing(f"{path} is missing.", "sync_classifier", otherwise=without)
    return SyncClassifier.from_original(_of_folder(path) if path.is_dir() else _alone(read_tensors(path, WHAT)))


def write_released(classifier: SyncClassifier, path: str | Path) -> None:
    """Write a classifier as the release is laid out, or as one file.

    Args:
        classifier: The classifier.
        path: A name that ends in ``.safetensors`` for one file of all tensors; any other for a folder with
            ``audio_encoder``, ``video_encoder`` and ``head``. Only those of the released sizes can be read by the
            original. There the weights are ``.bin`` files, because its loader asks for these.
    """
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    if path.suffix == ".safetensors":
        with replace(path) as file:
            save_file(tensors, file)
        return
    for part, (name, config) in PARTS.items():
        content = {"_class_name": name, **config}
        if part == "head":
            content["dim"] = tensors["head.fc.0.weight"].shape[0]
        write_text(path / part / "config.json", json.dumps(content, indent=2) + "\n")
        own = {key.removeprefix(f"{part}."): tensor for key, tensor in tensors.items() if key.startswith(f"{part}.")}
        with replace(path / part / "diffusion_pytorch_model.bin") as file:
            torch.save(own, file)


def _alone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The classifier's tensors without the name of what holds it, such as ``classifier.``."""
    known = "audio_encoder.conv1.0.weight"
    prefix = next((name.removesuffix(known) for name in tensors if name.endswith(f".{known}")), "")
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _of_folder(folder: Path) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": tensor
        for part in PARTS
        for name, tensor in read_model_folder(folder / part, f"{WHAT} ({part})").items()
    }
