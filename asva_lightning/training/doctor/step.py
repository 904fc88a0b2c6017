"""One training step of the denoiser on the meta device, in the shapes of a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import AudioEncoder, Conditions, FrameWindows, LatentCodec, SegmentWindows, TextEncoder
from asva_lightning.encoders.windows import IMAGEBIND_GRID, TokenGrid, mask_of
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat
from asva_lightning.training.doctor.checkpoints import Checkpoints
from asva_lightning.training.doctor.measure import AsOnGPU, Measured, measure
from asva_lightning.training.doctor.needs import needs_of
from asva_lightning.training.doctor.networks import on_meta, setting_of
from asva_lightning.training.doctor.tree import Node, instantiate, walk

SD_FACTOR, CLIP_TOKENS = 8, 77
"""Pixels that share one latent of Stable Diffusion, along a side; tokens of CLIP's texts."""


@dataclass(frozen=True)
class Shapes:
    """What the denoiser meets for one clip.

    Args:
        frames: Frames.
        height: Latents along the height.
        width: Latents along the width.
        text: Text tokens.
        mask: Which audio tokens a frame sees, ``(f, m)`` bool, on the CPU; ``None`` where there is no sound.
        assumed: What could not be read from a file, in words.
    """

    frames: int
    height: int
    width: int
    text: int
    mask: Tensor | None
    assumed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plural = "s" * (self.text != 1)
        heard = "no audio tokens"
        if self.mask is not None:
            heard = f"{self.mask.shape[1]} audio tokens of which a frame sees {int(self.mask.sum(dim=-1).max())}"
        return f"{self.frames} frames, {self.height}x{self.width} latents, {self.text} text token{plural}, {heard}"


def shapes_of(config: Mapping[str, Any]) -> Shapes:
    """Shapes of a clip of a configuration.

    Raises:
        ConfigurationError: If the picture does not divide by the codec's factor.
    """
    clip: ClipFormat = instantiate(config["data"]["format"], ClipFormat, subclass=False)
    nodes = list(walk(config["model"], "model"))
    assumed: list[str] = []
    factor = _factor(_first(nodes, LatentCodec), assumed)
    if clip.height % factor or clip.width % factor:
        raise ConfigurationError(
            f"A picture of {clip.height}x{clip.width} px does not divide by the codec's factor {factor}. "
            "Set --data.format.height and --data.format.width to multiples of it."
        )
    mask = mask_of(windows_in(nodes), clip.frames, _grids(nodes, clip.samples, assumed), clip.seconds)
    text = _text_tokens(_first(nodes, TextEncoder), assumed)
    return Shapes(clip.frames, clip.height // factor, clip.width // factor, text, mask, assumed)


def measure_step(
    denoiser: AVSyncUNet,
    shapes: Shapes,
    clips: int,
    dtype: torch.dtype,
    autocast: torch.dtype | None = None,
    checkpointing: bool = False,
) -> Measured:
    """Count one forward and backward pass of the denoiser over some clips.

    Args:
        denoiser: The network on the meta device; its type is changed, and how it calls its blocks.
        shapes: What it meets.
        clips: Clips of a micro-batch.
        dtype: Type of its weights.
        autocast: The 16-bit type of autocast; none if not given.
        checkpointing: Whether activations are checkpointed.
    """
    config: Any = denoiser.config
    with torch.device("meta"):
        noisy = torch.empty(clips, config.in_channels, shapes.frames, shapes.height, shapes.width, dtype=dtype)
        text = torch.empty(clips, shapes.text, config.text_channels, dtype=dtype)
        tokens = 0 if shapes.mask is None else shapes.mask.shape[1]
        audio = torch.empty(clips, tokens, config.audio_channels, dtype=dtype) if tokens else None
    # The mask stays on the CPU: how many tokens a frame sees is a number of it, and the meta device has no numbers.
    conditions = Conditions(text, audio, shapes.mask)
    level = torch.zeros(clips, dtype=torch.long, device="meta")
    torch.nn.Module.to(denoiser, dtype)  # that of diffusers warns of casts, whatever they are
    checkpoints = Checkpoints(lambda: AsOnGPU(autocast)) if checkpointing else None
    if checkpoints is None:
        denoiser.disable_gradient_checkpointing()
    else:
        denoiser.enable_gradient_checkpointing(checkpoints)
    return measure(denoiser, lambda: denoiser(noisy, level, conditions).float().square().mean(), autocast, checkpoints)


def _first(nodes: list[Node], kind: type) -> Node | None:
    return next((node for node in nodes if issubclass(node.owner, kind)), None)


def _factor(codec: Node | None, assumed: list[str]) -> int:
    if codec is not None and not any(needs_of(codec)):
        return int(on_meta(codec).factor)
    widths, known = (None, False) if codec is None else setting_of(codec, "vae", "block_out_channels", None)
    if not known or widths is None:
        assumed.append(f"{SD_FACTOR}x{SD_FACTOR} pixels a latent")
        return SD_FACTOR
    return int(2 ** (len(widths) - 1))


def _text_tokens(text: Node | None, assumed: list[str]) -> int:
    if text is not None and not any(needs_of(text)):
        return int(on_meta(text)([""], torch.device("meta")).shape[1])
    tokens, known = CLIP_TOKENS, False
    if text is not None:
        tokens, known = setting_of(text, "text_encoder", "max_position_embeddings", CLIP_TOKENS)
    if not known:
        assumed.append(f"{CLIP_TOKENS} text tokens")
    return int(tokens)


def windows_in(nodes: list[Node]) -> FrameWindows:
    """The frame windows of a configuration; the method's where it names none.

    Raises:
        ConfigurationError: If they refuse their settings.
    """
    windows = _first(nodes, FrameWindows)
    made: FrameWindows = SegmentWindows() if windows is None else instantiate(windows.config, FrameWindows)
    return made


def audio_encoders_in(nodes: list[Node]) -> list[Node]:
    """The audio encoders of a configuration; of several at once, each stands for itself."""
    encoders = [node for node in nodes if issubclass(node.owner, AudioEncoder)]
    within = [node for node in encoders if node.key.startswith(f"{encoders[0].key}.")]
    return within or encoders[:1]


def bare_grid(audio: Node, samples: int) -> TokenGrid | None:
    """The tokens of a sound, if the encoder's class can tell them without its weights and settings."""
    bare: Any = object.__new__(audio.owner)
    try:
        grid: TokenGrid = bare.grid(samples)
    except AttributeError:
        return None
    return grid


def _grids(nodes: list[Node], samples: int, assumed: list[str]) -> list[TokenGrid]:
    """The tokens of a sound, by all audio encoders that there are."""
    encoders = audio_encoders_in(nodes)
    if not encoders:
        return [IMAGEBIND_GRID]
    grids = []
    for node in encoders:
        layers = node.arguments.get("layers") if node.arguments.get("join") == "concatenate" else None
        grids += [_grid(node, samples, assumed)] * len(layers or [None])
    return grids


def _grid(audio: Node, samples: int, assumed: list[str]) -> TokenGrid:
    """The tokens of a sound; encoders that wait for their weights tell them without, or are taken for ImageBind."""
    if not any(needs_of(audio)):
        grid: TokenGrid = on_meta(audio).grid(samples)
        return grid
    known = bare_grid(audio, samples)
    if known is None:
        assumed.append(f"{IMAGEBIND_GRID.tokens} audio tokens")
    return known or IMAGEBIND_GRID
