"""Checkpoint folders of the original: reading the published ones, writing ours in their layout."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from asva_lightning.denoiser.layout import ORIGINAL
from asva_lightning.denoiser.original import config_to_original
from asva_lightning.errors import WeightsError
from asva_lightning.files import replace, write_text
from asva_lightning.weights import check_finite, find_folder, read_config, read_model_folder, read_tensors

WHAT = "the UNet of an AVSyncD checkpoint"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def read_original_folder(source: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a published checkpoint.

    Args:
        source: A checkpoint folder with ``modules/unet`` in it; a folder with ``unet`` in it; the ``unet`` folder
            itself; or a file of tensors beside its ``config.json``.

    Returns:
        The original's constructor arguments, and its tensors under its own names.

    Raises:
        WeightsError: If something is missing or damaged, or the weights hold NaN or infinity.
    """
    given = Path(source).expanduser()
    if given.is_file():
        config, tensors, place = read_config(given.parent), read_tensors(given, WHAT), given
    else:
        # An absolute path is never taken for a repository of the Hub, where these checkpoints are not.
        place = _unet_folder(find_folder(str(given.absolute()), "avsyncd_avsync15"))
        config, tensors = read_config(place), read_model_folder(place, WHAT)
    check_finite(tensors, str(place))
    return config, tensors


def save_original(unet: nn.Module, folder: Path) -> None:
    """Write a network in the layout and under the names of the published checkpoints.

    Args:
        unet: An AVSyncUNet.
        folder: The folder to write ``config.json`` and the weights into; published checkpoints call it
            ``modules/unet``.

    Raises:
        WeightsError: If the network has not the method's anatomy.
    """
    anatomy: Any = unet.anatomy
    if anatomy.departures:
        raise WeightsError(
            f"The published layout has no place for a network with another anatomy ({', '.join(anatomy.departures)}). "
            "Export it as a diffusers folder instead: --layout diffusers."
        )
    config = {"_class_name": ORIGINAL.class_name} | config_to_original(unet.config)  # type: ignore[arg-type]
    tensors = {name: tensor.contiguous() for name, tensor in unet.state_dict().items()}
    with replace(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def _unet_folder(folder: Path) -> Path:
    for place in (folder / "modules" / "unet", folder / "unet", folder):
        if (place / "config.json").is_file():
            return place
    raise WeightsError(
        f"{folder} holds no AVSyncD checkpoint: there is no config.json in it, in unet or in modules/unet. "
        "Give the checkpoint's folder, such as ckpts/checkpoint-37000."
    )
