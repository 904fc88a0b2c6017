"""The levels of the UNet: down, middle and up."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from asva_lightning.denoiser.anatomy import Anatomy
from asva_lightning.denoiser.conditioning import PreparedConditions
from asva_lightning.denoiser.resnet import ResnetBlock
from asva_lightning.denoiser.temporal_convolution import TemporalConv2d
from asva_lightning.denoiser.transformer import VideoTransformer

MakeResnet = Callable[[int, int], ResnetBlock]
MakeTransformer = Callable[[int], VideoTransformer]


class Resample(nn.Module):
    """The temporal convolution that ends a level; its stride is 2 on the way down, 1 after enlarging on the way up."""

    def __init__(self, channels: int, stride: int, anatomy: Anatomy) -> None:
        super().__init__()
        self.conv = TemporalConv2d(channels, channels, 3, stride, anatomy)

    def forward(self, images: Tensor, frames: int) -> Tensor:
        """Convolve ``images (b * f, c, h, w)``."""
        convolved: Tensor = self.conv(images, frames)
        return convolved


MakeResample = Callable[[int], Resample]


class Level(nn.Module):
    """Residual blocks, each followed by a transformer where the level has attention.

    With ``gradient_checkpointing``, which diffusers' ``enable_gradient_checkpointing()`` sets, what happens inside a
    block or a transformer is not kept for the backward pass but computed once more.

    Args:
        channels: Channels in and out of each residual block.
        resnet: Makes a residual block from channels in and out.
        transformer: Makes a transformer from its channels; ``None`` for a level without attention.
    """

    gradient_checkpointing = False
    _gradient_checkpointing_func: Callable[..., Any]

    def __init__(
        self, channels: list[tuple[int, int]], resnet: MakeResnet, transformer: MakeTransformer | None
    ) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([transformer(out) for _, out in channels] if transformer else [])
        self.resnets = nn.ModuleList([resnet(*inout) for inout in channels])

    def step(self, place: int, images: Tensor, time: Tensor, conditions: PreparedConditions, frames: int) -> Tensor:
        """Run the residual block at ``place`` and its transformer."""
        images = self.run(self.resnets[place], images, time, frames)
        if len(self.attentions):
            images = self.run(self.attentions[place], images, conditions, frames)
        return images

    def run(self, module: nn.Module, *inputs: Any) -> Tensor:
        """Call a module, and keep of it what gradient checkpointing says."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            again: Tensor = self._gradient_checkpointing_func(module, *inputs)
            return again
        result: Tensor = module(*inputs)
        return result


class DownLevel(Level):
    """A level on the way down; every result is kept for the way up."""

    def __init__(
        self,
        channels: list[tuple[int, int]],
        resnet: MakeResnet,
        transformer: MakeTransformer | None,
        resample: MakeResample | None,
    ) -> None:
        super().__init__(channels, resnet, transformer)
        self.downsamplers = nn.ModuleList([resample(channels[-1][1])] if resample else [])

    def forward(
        self, images: Tensor, time: Tensor, conditions: PreparedConditions, frames: int
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the result and all intermediate results."""
        kept = []
        for place in range(len(self.resnets)):
            images = self.step(place, images, time, conditions, frames)
            kept.append(images)
        for downsample in self.downsamplers:
            images = downsample(images, frames)
            kept.append(images)
        return images, kept


class UpLevel(Level):
    """A level on the way up; every residual block also takes a result kept on the way down."""

    def __init__(
        self,
        channels: list[tuple[int, int]],
        resnet: MakeResnet,
        transformer: MakeTransformer | None,
        resample: MakeResample | None,
    ) -> None:
        super().__init__(channels, resnet, transformer)
        self.upsamplers = nn.ModuleList([resample(channels[-1][1])] if resample else [])

    def forward(
        self,
        images: Tensor,
        kept: tuple[Tensor, ...],
        size: torch.Size,
        time: Tensor,
        conditions: PreparedConditions,
        frames: int,
    ) -> Tensor:
        """Take in the results kept for this level, the last one first; then enlarge to ``size``, whatever it is."""
        for place, result in enumerate(reversed(kept)):
            images = self.step(place, torch.cat([images, result], dim=1), time, conditions, frames)
        for upsample in self.upsamplers:
            images = upsample(interpolate(images, size=size, mode="nearest"), frames)
        return images


class MiddleLevel(Level):
    """A residual block, a transformer, a residual block."""

    def __init__(self, channels: int, resnet: MakeResnet, transformer: MakeTransformer) -> None:
        super().__init__([(channels, channels)], resnet, transformer)
        self.resnets.append(resnet(channels, channels))

    def forward(self, images: Tensor, time: Tensor, conditions: PreparedConditions, frames: int) -> Tensor:
        """Transform ``images (b * f, c, h, w)``."""
        images = self.step(0, images, time, conditions, frames)
        return self.run(self.resnets[1], images, time, frames)
