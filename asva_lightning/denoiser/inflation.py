"""Inflation: from Stable Diffusion's UNet for pictures to AVSyncUNet for clips (AVSyncD, ECCV 2024).

Every tensor of the picture network is taken under its own name; audio and temporal layers are new. They start such
that a clip of alike frames goes through as one picture does, as long as the audio layers are skipped.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from asva_lightning.denoiser.anatomy import Anatomy
from asva_lightning.denoiser.layout import STABLE_DIFFUSION, network_arguments
from asva_lightning.denoiser.loading import load_by_name
from asva_lightning.denoiser.original import is_added
from asva_lightning.denoiser.unet import AVSyncUNet
from asva_lightning.errors import WeightsError
from asva_lightning.weights import check_finite, find_folder, is_hub_id, read_config, read_model_folder

logger = logging.getLogger(__name__)

_OF_TEXT = re.compile(r"\.transformer_blocks\.\d+\.(attn2|norm2)\.")


@dataclass(frozen=True)
class InflationReport:
    """What became of the tensors of an inflated network.

    Args:
        taken: Names of those that came from the picture network.
        new: Names of those that start anew.
    """

    taken: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.taken)} tensors taken, {len(self.new)} new in audio and temporal layers"


def inflate(
    config: Mapping[str, Any],
    state_dict: Mapping[str, Tensor],
    trainable: Literal["added", "all"] = "added",
    audio_channels: int = 768,
    anatomy: Anatomy | None = None,
) -> tuple[AVSyncUNet, InflationReport]:
    """Build the clip network of a picture network.

    Args:
        config: ``config.json`` of a UNet2DConditionModel of the Stable Diffusion 1.x family.
        state_dict: Its tensors under diffusers' names, in any floating-point type.
        trainable: As for AVSyncUNet.
        audio_channels: Width of the audio tokens.
        anatomy: As for AVSyncUNet; the picture network's tensors of parts that are left out are not taken.

    Returns:
        The network in fp32, and which of its tensors were taken.

    Raises:
        WeightsError: If the configuration is of another family, or a tensor does not fit; the first one is named.
    """
    arguments = network_arguments(config, STABLE_DIFFUSION) | {"audio_channels": audio_channels}
    unet = AVSyncUNet(**arguments, trainable=trainable, anatomy=anatomy)
    new = tuple(sorted(name for name in unet.state_dict() if is_added(name)))
    if not unet.anatomy.text:
        state_dict = {name: tensor for name, tensor in state_dict.items() if not _OF_TEXT.search(name)}
    load_by_name(unet, state_dict, "the picture network", "Do config.json and weights belong together?", new=set(new))
    return unet, InflationReport(taken=tuple(sorted(state_dict)), new=new)


def inflate_folder(
    source: str | Path,
    trainable: Literal["added", "all"] = "added",
    audio_channels: int = 768,
    anatomy: Anatomy | None = None,
) -> AVSyncUNet:
    """Inflate what a folder or a repository of the Hub holds; see :meth:`AVSyncUNet.from_stable_diffusion`."""
    folder = _unet_folder(str(source))
    tensors = read_model_folder(folder, "the UNet of Stable Diffusion 1.x")
    check_finite(tensors, str(folder))
    try:
        unet, report = inflate(read_config(folder), tensors, trainable, audio_channels, anatomy)
    except WeightsError as error:
        raise WeightsError(f"{folder} cannot be inflated: {error}") from error
    logger.info("%s: %s.", folder, report)
    return unet


def _unet_folder(source: str) -> Path:
    """The folder of the UNet: given itself, or inside a pipeline's."""
    given = Path(source).expanduser()
    if not is_hub_id(source) and (given / "config.json").is_file():
        return given
    return find_folder(source, "stable_diffusion", ("unet",)) / "unet"
