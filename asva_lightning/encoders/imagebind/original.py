"""The official tensors of ImageBind: which tower they belong to, and the sizes that they tell."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from asva_lightning.encoders.imagebind.tower import MODALITIES, Tower
from asva_lightning.errors import ConfigurationError, WeightsError

HUGE_HEADS = {"vision": 16, "text": 16, "audio": 12}
"""Attention heads of ``imagebind_huge``, which its tensors do not tell."""

_HEADS = {
    "audio": "modality_heads.audio.2.weight",
    "vision": "modality_heads.vision.2.weight",
    "text": "modality_heads.text.proj.1.weight",
}
_ADVICE = "Use the official imagebind_huge.pth."


def select(state_dict: Mapping[str, Tensor], modalities: Sequence[str] | None) -> dict[str, dict[str, Tensor]]:
    """The tensors of each tower.

    Args:
        state_dict: Tensors under their official names.
        modalities: The towers that are wanted; ``None`` for all that there are.

    Raises:
        ConfigurationError: If there is no such tower here, or none is wanted.
        WeightsError: If all are wanted, but no tensor belongs to any.
    """
    unknown = [modality for modality in modalities or () if modality not in MODALITIES]
    if unknown or (modalities is not None and not modalities):
        met = repr(unknown[0]) if unknown else "no tower at all"
        raise ConfigurationError(f"ImageBind has the towers {', '.join(MODALITIES)} here; {met} was asked for.")
    towers: dict[str, dict[str, Tensor]] = {modality: {} for modality in modalities or MODALITIES}
    for name, tensor in state_dict.items():
        prefix, _, rest = name.partition(".")
        modality = rest.partition(".")[0]
        if prefix.startswith("modality_") and modality in towers:
            towers[modality][name] = tensor
    if modalities is None:
        towers = {modality: tensors for modality, tensors in towers.items() if tensors}
        if not towers:
            raise WeightsError(f"Tensor {_first('audio')} is missing: this is not ImageBind. {_ADVICE}")
    return towers


def embedding_of(modality: str, tensors: Mapping[str, Tensor]) -> int:
    """Width of the joint embedding.

    Raises:
        WeightsError: If the tensor that tells it is missing.
    """
    return _shape(_HEADS[modality], tensors)[0]


def tower_of(modality: str, tensors: Mapping[str, Tensor], heads: Mapping[str, int]) -> Tower:
    """Size of a tower.

    Args:
        modality: Which tower.
        tensors: Its tensors under their official names.
        heads: Attention heads by modality, which no tensor tells.

    Raises:
        ConfigurationError: If the heads are not given or do not fit.
        WeightsError: If a tensor that tells the size is missing.
    """
    if modality not in heads:
        raise ConfigurationError(
            f"How many attention heads has ImageBind's {modality} tower? No tensor tells: give heads['{modality}']."
        )
    hidden, width = _shape(_first(modality), tensors)
    prefix = f"modality_trunks.{modality}.blocks."
    numbers = {name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)}
    return Tower(width, heads[modality], hidden, len(numbers))


def load(model: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> None:
    """Give a model on the meta device its tensors, copied, so that it does not depend on the file they lie in.

    Args:
        model: The model.
        tensors: A tensor for each of its own, by name.
        dtype: Floating-point type to convert to; as stored if not given.

    Raises:
        WeightsError: If a tensor is missing, has another shape, or belongs to nothing; the first one is named.
    """
    expected = model.state_dict()
    for name, own in expected.items():
        if name not in tensors:
            raise WeightsError(f"Tensor {name} is missing: these weights of ImageBind are not complete. {_ADVICE}")
        if tensors[name].shape != own.shape:
            raise WeightsError(
                f"Tensor {name} is {tuple(tensors[name].shape)} where ImageBind has {tuple(own.shape)}. {_ADVICE}"
            )
    for name in tensors:
        if name not in expected:
            raise WeightsError(f"Tensor {name} has no place in ImageBind's towers as built here. {_ADVICE}")
    copies = {name: tensors[name].detach().to(dtype, copy=True) for name in expected}
    model.load_state_dict(copies, assign=True)


def _first(modality: str) -> str:
    """The tensor that tells width and hidden width."""
    return f"modality_trunks.{modality}.blocks.0.mlp.fc1.weight"


def _shape(name: str, tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    if name not in tensors:
        raise WeightsError(f"Tensor {name} is missing: ImageBind's {name.split('.')[1]} tower is not here. {_ADVICE}")
    shape = tuple(tensors[name].shape)
    if len(shape) != 2:
        raise WeightsError(f"Tensor {name} is {shape} where ImageBind has two dimensions. {_ADVICE}")
    return shape
