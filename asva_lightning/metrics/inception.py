"""Inception-v3 in the variant that FID is defined with, under the tensor names of its PyTorch weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from asva_lightning.errors import WeightsError
from asva_lightning.weights import find_file, read_tensors

FEATURES = 2048
UNUSED = ("fc.", "AuxLogits.")
"""Beginnings of the names of what classifies; features are taken before it."""


class Layer(NamedTuple):
    """A convolution of a block.

    Args:
        name: Its name in the block.
        channels: Channels that come in.
        width: Channels that go out.
        kernel: Height and width of the kernel.
        stride: Stride; with more than 1 there is no padding.
    """

    name: str
    channels: int
    width: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1


Branch = Sequence[tuple[Layer, ...]]
"""Steps one after the other; the layers of a step see the same, and their channels stand side by side."""


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self, channels: int, width: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True
    ) -> None:
        super().__init__()
        height, breadth = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, breadth // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(channels, width, (height, breadth), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, pictures: Tensor) -> Tensor:
        """``(n, channels, h, w)`` to ``(n, width, h', w')``."""
        result: Tensor = self.bn(self.conv(pictures)).relu()
        return result


class Mixed(nn.Module):
    """Branches side by side, and one that pools.

    Args:
        branches: The branches, in the order of their channels in the result.
        pooled: What follows the pooling; None where the block halves height and width by it.
        maximum: Whether a pooling that keeps the size takes the maximum. Otherwise it takes the mean, in which the
            border does not count.
    """

    def __init__(self, branches: Sequence[Branch], pooled: Layer | None, maximum: bool = False) -> None:
        super().__init__()
        self.branches = branches
        self.pooled = pooled
        self.maximum = maximum
        layers = [layer for branch in branches for step in branch for layer in step]
        for name, channels, width, kernel, stride in [*layers, *([pooled] if pooled else [])]:
            self.add_module(name, Convolution(channels, width, kernel, stride, padded=stride == 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """``(n, channels, h, w)`` to the branches' channels together."""
        return torch.cat([*(self._run(branch, hidden) for branch in self.branches), self._pool(hidden)], dim=1)

    def _run(self, branch: Branch, hidden: Tensor) -> Tensor:
        for step in branch:
            hidden = torch.cat([self.get_submodule(layer.name)(hidden) for layer in step], dim=1)
        return hidden

    def _pool(self, hidden: Tensor) -> Tensor:
        if self.pooled is None:
            return max_pool2d(hidden, 3, stride=2)
        if self.maximum:
            hidden = max_pool2d(hidden, 3, stride=1, padding=1)
        else:
            hidden = avg_pool2d(hidden, 3, stride=1, padding=1, count_include_pad=False)
        result: Tensor = self.get_submodule(self.pooled.name)(hidden)
        return result


class InceptionV3(nn.Module):
    """Inception-v3 up to its pooled features.

    After Szegedy et al., "Rethinking the Inception Architecture" (CVPR 2016), as the network of 2015 behind FID has it:
    the border does not count in its mean poolings, and the last block pools by the maximum. The original FID weights
    have these names in their PyTorch form (pytorch-fid).
    """

    num_features = FEATURES

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3, padded=False)
        self.Mixed_5b = _fine(192, pooled=32)
        self.Mixed_5c = _fine(256, pooled=64)
        self.Mixed_5d = _fine(288, pooled=64)
        self.Mixed_6a = _halve_fine(288)
        self.Mixed_6b = _middle(128)
        self.Mixed_6c = _middle(160)
        self.Mixed_6d = _middle(160)
        self.Mixed_6e = _middle(192)
        self.Mixed_7a = _halve_middle(768)
        self.Mixed_7b = _coarse(1280)
        self.Mixed_7c = _coarse(2048, maximum=True)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the weights of pytorch-fid.

        Args:
            path: ``pt_inception-2015-12-05-6726825d.pth``, a safetensors file of the same names, or
                ``org/name/file`` of the Hub. Its classifier is not needed.

        Returns:
            The network in eval mode, without gradients.

        Raises:
            WeightsError: If the file is missing or damaged, or a tensor is missing or does not fit.
        """
        file = find_file(str(path), "inception")
        tensors = read_tensors(file, "the weights of Inception-v3 for FID")
        network = cls()
        counters = {
            name: tensor for name, tensor in network.state_dict().items() if name.endswith("num_batches_tracked")
        }
        kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNUSED)}
        try:
            network.load_state_dict({**counters, **kept})
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise WeightsError(
                f"{file} does not hold FID's Inception-v3: {reason} Give pt_inception-2015-12-05-6726825d.pth of "
                "pytorch-fid; torchvision's Inception has the same names and other weights."
            ) from error
        return network.eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures ``(n, 3, 299, 299)`` in [-1, 1] (other sizes from 75 on work too) to features ``(n, 2048)``."""
        hidden = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(pictures)))
        hidden = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(hidden, 3, stride=2)))
        hidden = max_pool2d(hidden, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed_"):
                hidden = block(hidden)
        return hidden.mean(dim=(2, 3))


def _chain(*layers: Layer) -> Branch:
    return [(layer,) for layer in layers]


def _fine(channels: int, pooled: int) -> Mixed:
    """At an eighth of the size."""
    return Mixed(
        [
            _chain(Layer("branch1x1", channels, 64)),
            _chain(Layer("branch5x5_1", channels, 48), Layer("branch5x5_2", 48, 64, 5)),
            _chain(
                Layer("branch3x3dbl_1", channels, 64),
                Layer("branch3x3dbl_2", 64, 96, 3),
                Layer("branch3x3dbl_3", 96, 96, 3),
            ),
        ],
        Layer("branch_pool", channels, pooled),
    )


def _halve_fine(channels: int) -> Mixed:
    """From an eighth of the size to a sixteenth."""
    return Mixed(
        [
            _chain(Layer("branch3x3", channels, 384, 3, 2)),
            _chain(
                Layer("branch3x3dbl_1", channels, 64),
                Layer("branch3x3dbl_2", 64, 96, 3),
                Layer("branch3x3dbl_3", 96, 96, 3, 2),
            ),
        ],
        None,
    )


def _middle(inner: int, channels: int = 768) -> Mixed:
    """At a sixteenth of the size; kernels of 7 x 7 as 1 x 7 and 7 x 1."""
    wide, high = (1, 7), (7, 1)
    return Mixed(
        [
            _chain(Layer("branch1x1", channels, 192)),
            _chain(
                Layer("branch7x7_1", channels, inner),
                Layer("branch7x7_2", inner, inner, wide),
                Layer("branch7x7_3", inner, 192, high),
            ),
            _chain(
                Layer("branch7x7dbl_1", channels, inner),
                Layer("branch7x7dbl_2", inner, inner, high),
                Layer("branch7x7dbl_3", inner, inner, wide),
                Layer("branch7x7dbl_4", inner, inner, high),
                Layer("branch7x7dbl_5", inner, 192, wide),
            ),
        ],
        Layer("branch_pool", channels, 192),
    )


def _halve_middle(channels: int) -> Mixed:
    """From a sixteenth of the size to a thirty-second."""
    return Mixed(
        [
            _chain(Layer("branch3x3_1", channels, 192), Layer("branch3x3_2", 192, 320, 3, 2)),
            _chain(
                Layer("branch7x7x3_1", channels, 192),
                Layer("branch7x7x3_2", 192, 192, (1, 7)),
                Layer("branch7x7x3_3", 192, 192, (7, 1)),
                Layer("branch7x7x3_4", 192, 192, 3, 2),
            ),
        ],
        None,
    )


def _coarse(channels: int, maximum: bool = False) -> Mixed:
    """At a thirty-second of the size; the last kernels stand side by side."""
    wide, high = (1, 3), (3, 1)
    return Mixed(
        [
            _chain(Layer("branch1x1", channels, 320)),
            [
                (Layer("branch3x3_1", channels, 384),),
                (Layer("branch3x3_2a", 384, 384, wide), Layer("branch3x3_2b", 384, 384, high)),
            ],
            [
                (Layer("branch3x3dbl_1", channels, 448),),
                (Layer("branch3x3dbl_2", 448, 384, 3),),
                (Layer("branch3x3dbl_3a", 384, 384, wide), Layer("branch3x3dbl_3b", 384, 384, high)),
            ],
        ],
        Layer("branch_pool", channels, 192),
        maximum,
    )
