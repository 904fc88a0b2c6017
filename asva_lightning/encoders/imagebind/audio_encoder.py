"""The folder ``audio_encoder`` of the published AVSyncD checkpoints: ImageBind's audio tower under shorter names."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from asva_lightning.errors import WeightsError
from asva_lightning.files import replace, write_text

CONFIG = {"_class_name": "ImageBindSegmaskAudioEncoder", "n_segment": 12, "pretrained_model_name": "imagebind_huge"}
"""What the original's ``config.json`` says; ``n_segment`` is the number of frames, which only its masks need."""

_PARTS = {
    "preprocessor": "modality_preprocessors",
    "trunk": "modality_trunks",
    "head": "modality_heads",
    "postprocessor": "modality_postprocessors",
}
_NORM = {"final_layer_norm.weight": 1.0, "final_layer_norm.bias": 0.0}
"""A normalisation that the original has after the trunk and never trains, and the value that it leaves it at."""

_WIDTH = "modality_preprocessors.audio.cls_token"


def audio_encoder_to_original_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From the names of an ``audio_encoder`` folder to ImageBind's official ones.

    Args:
        state_dict: All tensors of the folder.

    Returns:
        Those of the audio tower; the final normalisation is left out, as it does nothing.

    Raises:
        WeightsError: If a name is unknown, or the final normalisation is missing or does something.
    """
    for name, constant in _NORM.items():
        if name not in state_dict:
            raise WeightsError(f"Tensor {name} is missing: this is not an audio_encoder of AVSyncD.")
        if not torch.all(state_dict[name] == constant):
            raise WeightsError(
                f"Tensor {name} is not {constant:g} everywhere: this audio encoder was trained further than AVSyncD's, "
                "whose final normalisation has no learned parameters. Use the audio_encoder of a published checkpoint."
            )
    named = {}
    for name, tensor in state_dict.items():
        if name in _NORM:
            continue
        part, _, rest = name.partition(".")
        if part not in _PARTS or not rest:
            raise WeightsError(f"Tensor {name} does not belong to an audio_encoder of AVSyncD. Fetch the folder again.")
        named[f"{_PARTS[part]}.audio.{rest}"] = tensor
    return named


def audio_encoder_from_original_names(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From ImageBind's official names to those of an ``audio_encoder`` folder.

    Args:
        state_dict: The tensors of the audio tower, and no others.

    Returns:
        The same, and the final normalisation that does nothing.

    Raises:
        WeightsError: If a tensor is not the audio tower's, or the class token, which tells the width, is missing.
    """
    shorter = {long: short for short, long in _PARTS.items()}
    named = {}
    for name, tensor in state_dict.items():
        part, modality, rest = [*name.split(".", 2), "", ""][:3]
        if part not in shorter or modality != "audio" or not rest:
            raise WeightsError(f"Tensor {name} is not of ImageBind's audio tower, so an audio_encoder cannot hold it.")
        named[f"{shorter[part]}.{rest}"] = tensor
    if _WIDTH not in state_dict:
        raise WeightsError(f"Tensor {_WIDTH} is missing: this is not ImageBind's audio tower.")
    token = state_dict[_WIDTH]
    return named | {name: token.new_full(token.shape[-1:], constant) for name, constant in _NORM.items()}


def write_audio_encoder_folder(state_dict: Mapping[str, Tensor], folder: Path) -> None:
    """Write ``config.json`` and the weights as the original reads them.

    Args:
        state_dict: Tensors under the names of an ``audio_encoder`` folder.
        folder: The folder to write into; it is made where it does not exist.
    """
    tensors = {name: tensor.contiguous() for name, tensor in state_dict.items()}
    with replace(folder / "diffusion_pytorch_model.safetensors") as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_text(folder / "config.json", json.dumps(CONFIG, indent=2) + "\n")
