"""Reading the weights of our checkpoints: single files, and the folders that DeepSpeed writes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

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


def _load(path: Path) -> dict[str, Any]:
    content = load_safely(path, "a checkpoint of `fit`")
    if not isinstance(content, dict) or not content.keys() & {"state_dict", "module"}:
        raise WeightsError(f"{path} is no checkpoint of `fit`: it holds no state_dict.")
    return content


def _average(content: dict[str, Any]) -> dict[str, Tensor]:
    return dict(content.get("average", {}).get("parameters", {}))


def _together(path: Path) -> dict[str, Tensor]:
    """The fp32 weights of all ranks' parts."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    weights: dict[str, Tensor] = get_fp32_state_dict_from_zero_checkpoint(str(path))
    return weights
