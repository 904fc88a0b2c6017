"""Reading the weights of our checkpoints: single files, and the folders that DeepSpeed writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from asva_lightning.errors import RunError, WeightsError
from asva_lightning.weights import check_finite, load_safely

Which = Literal["ema", "raw"]
"""The averaged weights, or those of the last optimizer step."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a checkpoint.

    Args:
        path: Where it was read.
        step: Optimizer steps behind it.
        weights: Trained parameters and buffers, by name.
        frozen: Digests of the pretrained weights that it was trained on, by component.
    """

    path: Path
    step: int
    weights: dict[str, Tensor]
    frozen: dict[str, str]


def read_checkpoint(path: Path, which: Which = "ema") -> Checkpoint:
    """Read the weights of a checkpoint.

    Args:
        path: A file, or a DeepSpeed folder of any ZeRO stage.
        which: Which weights; a run without an average has raw ones only.

    Raises:
        WeightsError: If it is damaged, or a weight is no finite number.
        RunError: If the averaged weights are asked for and there are none.
    """
    parts = sorted(path.glob("*/*model_states.pt")) if path.is_dir() else [path]
    if not parts:
        raise WeightsError(f"{path} holds no *model_states.pt, so it is no checkpoint of DeepSpeed.")
    # Rank zero holds the average in full, the others without tensors.
    content = max((_load(part) for part in parts), key=lambda part: len(_average(part)))
    average = _average(content)
    if which == "ema" and not average:
        raise RunError(f"{path} has no averaged weights. Take the others with --weights raw.")
    if not path.is_dir():
        weights = content["state_dict"] | (average if which == "ema" else {})
    elif which == "ema":
        buffers = {name: content["module"][name] for name in content["buffer_names"] if name in content["module"]}
        weights = buffers | average
    else:
        weights = _together(path)
    check_finite(weights, str(path))
    return Checkpoint(path, int(content.get("global_step", 0)), weights, dict(content.get("frozen", {})))


def check_fits(weights: Mapping[str, Tensor], module: nn.Module, where: str, configuration: str) -> None:
    """Refuse weights that are of other networks.

    Args:
        weights: What a checkpoint holds, by name: at least the trained parameters.
        module: What they are for.
        where: Name of the checkpoint.
        configuration: What the module was made from, in words or as a file.

    Raises:
        WeightsError: If a trained parameter is missing, or a tensor is of another shape or of no network here.
    """
    own: Mapping[str, Tensor] = module.state_dict()
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    differing = {name for name in weights.keys() & own.keys() if weights[name].shape != own[name].shape}
    wrong = (trained - weights.keys()) or (weights.keys() - own.keys()) or differing
    if wrong:
        first = min(wrong)
        there, here = (
            str(tuple(tensors[first].shape)) if first in tensors else "missing" for tensors in (weights, own)
        )
        raise WeightsError(
            f"{where} does not fit {configuration}: see tensor {first}, {there} in the checkpoint and {here} in the "
            "networks. Was the configuration edited?"
        )


def _load(path: Path) -> dict[str, Any]:
    content = load_safely(path, "a checkpoint of `fit`")
    if not isinstance(content, dict) or not any(isinstance(content.get(key), dict) for key in ("state_dict", "module")):
        raise WeightsError(f"{path} is no checkpoint of `fit`: it holds no state_dict.")
    return content


def _average(content: dict[str, Any]) -> dict[str, Tensor]:
    average = content.get("average")
    return dict(average.get("parameters", {})) if isinstance(average, dict) else {}


def _together(path: Path) -> dict[str, Tensor]:
    """The fp32 weights of all ranks' parts."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    weights: dict[str, Tensor] = get_fp32_state_dict_from_zero_checkpoint(str(path))
    return weights
