"""The original's names: its constructor arguments, and which tensors it added to Stable Diffusion."""

from collections.abc import Mapping
from typing import Any

from asva_lightning.denoiser.layout import ORIGINAL, level_names, network_arguments


def is_added(name: str) -> bool:
    """Whether a tensor is new in AVSyncD and trained, by the rule of the original: its name says so."""
    return "_temp" in name or "_audio" in name


def config_from_original(config: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the original's constructor arguments into ours.

    ``attention_head_dim`` is the number of heads there, as in all configs of Stable Diffusion 1.x. Missing keys take
    the defaults of diffusers' UNet2DConditionModel.

    Raises:
        WeightsError: If the network cannot be what the config describes; the first such key is named.
    """
    return network_arguments(config, ORIGINAL)


def config_to_original(config: Mapping[str, Any]) -> dict[str, Any]:
    """Translate our constructor arguments, such as ``unet.config``, into the original's.

    What to train is no property of its checkpoints and is left out.
    """
    attention = tuple(config["attention_levels"])
    down, up = level_names(attention, ORIGINAL)
    return {
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "down_block_types": down,
        "up_block_types": up,
        "mid_block_type": ORIGINAL.middle,
        "block_out_channels": list(config["block_out_channels"]),
        "layers_per_block": config["layers_per_block"],
        "attention_head_dim": config["heads"],
        "norm_num_groups": config["norm_groups"],
        "cross_attention_dim": config["text_channels"],
        "audio_cross_attention_dim": config["audio_channels"],
    }
