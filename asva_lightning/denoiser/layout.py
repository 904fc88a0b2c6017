"""Configurations of diffusers' UNets that this network can be: Stable Diffusion 1.x, and the original's over clips."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from asva_lightning.errors import WeightsError


class Family(NamedTuple):
    """UNets that share one form, and the words for them.

    Args:
        class_name: The class that wrote their configurations.
        down: Names of a level with and without attention on the way down.
        up: The same on the way up.
        middle: Name of the level in the middle.
        advice: What to use instead of a configuration that does not fit.
    """

    class_name: str
    down: tuple[str, str]
    up: tuple[str, str]
    middle: str
    advice: str


STABLE_DIFFUSION = Family(
    "UNet2DConditionModel",
    ("CrossAttnDownBlock2D", "DownBlock2D"),
    ("CrossAttnUpBlock2D", "UpBlock2D"),
    "UNetMidBlock2DCrossAttn",
    "Only UNets of the Stable Diffusion 1.x family can be inflated: use stable-diffusion-v1-5/stable-diffusion-v1-5 "
    "or a model that was fine-tuned from it.",
)

ORIGINAL = Family(
    "AudioUNet3DConditionModel",
    ("FFSpatioAudioTempCrossAttnDownBlock3D", "FFSpatioTempResDownBlock3D"),
    ("FFSpatioAudioTempCrossAttnUpBlock3D", "FFSpatioTempResUpBlock3D"),
    "FFSpatioAudioTempCrossAttnUNetMidBlock3D",
    "Use the modules/unet folder of a published AVSyncD checkpoint with the config.json that belongs to it.",
)

DEFAULT_WIDTHS = (320, 640, 1280, 1280)
DEFAULT_ATTENTION = (True, True, True, False)
NUMBERS = {
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "cross_attention_dim": 1280,
    "audio_cross_attention_dim": 768,
}
"""Settings that are one number, and what is meant where a configuration does not say (as in diffusers)."""

FIXED = {
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "only_cross_attention": False,
    "mid_block_only_cross_attention": None,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_eps": 1e-5,
    "transformer_layers_per_block": 1,
    "reverse_transformer_layers_per_block": None,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "num_attention_heads": None,
    "dual_cross_attention": False,
    "use_linear_projection": False,
    "class_embed_type": None,
    "addition_embed_type": None,
    "num_class_embeds": None,
    "upcast_attention": False,
    "resnet_time_scale_shift": "default",
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "time_embedding_act_fn": None,
    "timestep_post_act": None,
    "time_cond_proj_dim": None,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "class_embeddings_concat": False,
    "cross_attention_norm": None,
}
"""Settings for which this network has one value only, which is also the default of diffusers."""


def network_arguments(config: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Translate a configuration into arguments of AVSyncUNet.

    ``attention_head_dim`` is the number of heads there, as in all configurations of Stable Diffusion 1.x. Missing keys
    take the defaults of diffusers' UNet2DConditionModel. Size, dropout and private keys have no meaning here.

    Raises:
        WeightsError: If the network cannot be what the configuration describes; the first such key is named.
    """
    _expect(config, "_class_name", family.class_name, family)
    for key, value in FIXED.items():
        _expect(config, key, value, family)
    _expect(config, "mid_block_type", family.middle, family)
    numbers = {key: _number(config, key, default, family) for key, default in NUMBERS.items()}
    widths = config.get("block_out_channels", DEFAULT_WIDTHS)
    if not isinstance(widths, list | tuple) or not widths or not all(isinstance(width, int) for width in widths):
        raise _unfit("block_out_channels", widths, "numbers of channels, one a level", family)
    return {
        "in_channels": numbers["in_channels"],
        "out_channels": numbers["out_channels"],
        "block_out_channels": tuple(widths),
        "attention_levels": _attention_levels(config, len(widths), family),
        "layers_per_block": numbers["layers_per_block"],
        "heads": numbers["attention_head_dim"],
        "norm_groups": numbers["norm_num_groups"],
        "text_channels": numbers["cross_attention_dim"],
        "audio_channels": numbers["audio_cross_attention_dim"],
    }


def level_names(attention_levels: tuple[bool, ...], family: Family) -> tuple[list[str], list[str]]:
    """Names of the levels on the way down and on the way up."""
    down = [family.down[0 if attends else 1] for attends in attention_levels]
    return down, [family.up[0 if attends else 1] for attends in reversed(attention_levels)]


def _attention_levels(config: Mapping[str, Any], levels: int, family: Family) -> tuple[bool, ...]:
    default_down, default_up = level_names(DEFAULT_ATTENTION, family)
    down, up = config.get("down_block_types", default_down), config.get("up_block_types", default_up)
    if not isinstance(down, list | tuple) or len(down) != levels or not set(down) <= set(family.down):
        raise _unfit("down_block_types", down, f"{levels} levels, each {' or '.join(family.down)}", family)
    attention = tuple(name == family.down[0] for name in down)
    _, mirrored = level_names(attention, family)
    if not isinstance(up, list | tuple) or list(up) != mirrored:
        raise _unfit("up_block_types", up, f"{mirrored}, the way down reversed", family)
    return attention


def _expect(config: Mapping[str, Any], key: str, value: Any, family: Family) -> None:
    # None, False and 0 all say "not used" in configurations of different ages.
    if (config.get(key, value) or None) != (value or None):
        raise _unfit(key, config[key], repr(value), family)


def _number(config: Mapping[str, Any], key: str, default: int, family: Family) -> int:
    value = config.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _unfit(key, value, "one number for all levels", family)
    return value


def _unfit(key: str, value: Any, needed: str, family: Family) -> WeightsError:
    return WeightsError(f"{key} is {value!r} in this configuration, where the network needs {needed}. {family.advice}")
