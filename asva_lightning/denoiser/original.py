"""The original's names: its constructor arguments, and which tensors it added to Stable Diffusion."""

from collections.abc import Mapping
from typing import Any

DEFAULT_TEXT_CHANNELS = 1280
"""What diffusers' UNet2DConditionModel takes where a config does not say."""


def is_added(name: str) -> bool:
    """Whether a tensor is new in AVSyncD and trained, by the rule of the original: its name says so."""
    return "_temp" in name or "_audio" in name


def config_from_original(config: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the original's constructor arguments into ours.

    ``attention_head_dim`` is the number of heads there, as in all configs of Stable Diffusion 1.x. Missing keys take
    the defaults of diffusers' UNet2DConditionModel.
    """
    return {
        "in_channels": config.get("in_channels", 4),
        "out_channels": config.get("out_channels", 4),
        "block_out_channels": tuple(config.get("block_out_channels", (320, 640, 1280, 1280))),
        "attention_levels": tuple("CrossAttn" in name for name in config["down_block_types"]),
        "layers_per_block": config.get("layers_per_block", 2),
        "heads": config.get("attention_head_dim", 8),
        "norm_groups": config.get("norm_num_groups", 32),
        "text_channels": config.get("cross_attention_dim", DEFAULT_TEXT_CHANNELS),
        "audio_channels": config.get("audio_cross_attention_dim", 768),
    }
