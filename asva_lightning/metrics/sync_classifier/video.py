"""The classifier's eye: an R(2+1)D-like network over the frames of a clip."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

DIFFERENCE_GAIN = 5.0
"""By which frame differences are multiplied: they are small beside the frames, and would be overlooked at first."""


class VideoBlock(nn.Module):
    """A residual block of four convolutions, in turn over space and over time.

    After Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition" (CVPR 2018); there the
    width between the two kinds of convolutions is chosen to match a 3D convolution, here it is that of the block.

    Args:
        channels: Channels that come in.
        width: Channels that go out.
        stride: Of time, height and width.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.spt_conv1 = _over_space(channels, width, stride)
        self.spt_bn1 = nn.BatchNorm3d(width)
        self.tmp_conv1 = _over_time(width, width, stride)
        self.tmp_bn1 = nn.BatchNorm3d(width)
        self.spt_conv2 = _over_space(width, width)
        self.spt_bn2 = nn.BatchNorm3d(width)
        self.tmp_conv2 = _over_time(width, width)
        self.out_bn = nn.BatchNorm3d(width)
        self.res_conv = None
        if stride != 1 or channels != width:
            self.res_conv = nn.Conv3d(channels, width, 1, stride=stride, bias=False)

    def forward(self, video: Tensor) -> Tensor:
        """``(b, channels, f, h, w)`` to ``(b, width, f / stride, h / stride, w / stride)``."""
        hidden = self.spt_bn1(self.spt_conv1(video)).relu()
        hidden = self.tmp_bn1(self.tmp_conv1(hidden)).relu()
        hidden = self.spt_bn2(self.spt_conv2(hidden)).relu()
        hidden = self.tmp_conv2(hidden)
        past = video if self.res_conv is None else self.res_conv(video)
        result: Tensor = self.out_bn(hidden + past).relu()
        return result


class VideoNetwork(nn.Module):
    """Frames to one vector: a stem, then one stage of blocks for each width, then the mean over time and space.

    The stem quarters height and width; every stage but the first halves time, height and width. With the widths and
    blocks of the release this is the video network of AVID-CMA (Morgado et al., CVPR 2021) with a mean where that has
    a maximum.

    Args:
        widths: Channels of each stage; the stem has as many as the first.
        blocks: Blocks of each stage.
        frame_differences: Whether the stem also sees what changed since the frame before.
    """

    def __init__(self, widths: Sequence[int], blocks: int, frame_differences: bool = False) -> None:
        super().__init__()
        self.frame_differences = frame_differences
        self.conv1 = nn.Sequential(
            nn.Conv3d(
                6 if frame_differences else 3, widths[0], (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False
            ),
            nn.BatchNorm3d(widths[0]),
            nn.ReLU(),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        )
        self.stages = []
        channels = widths[0]
        for number, width in enumerate(widths):
            first = VideoBlock(channels, width, stride=2 if number else 1)
            others = [VideoBlock(width, width, stride=1) for _ in range(blocks - 1)]
            self.stages.append(f"conv{number + 2}x")
            self.add_module(f"conv{number + 2}x", nn.Sequential(first, *others))
            channels = width

    def forward(self, video: Tensor) -> Tensor:
        """Normalised frames ``(b, 3, f, h, w)`` to ``(b, widths[-1])``."""
        hidden: Tensor = self.conv1(with_differences(video) if self.frame_differences else video)
        for name in self.stages:
            hidden = self.get_submodule(name)(hidden)
        return hidden.mean(dim=(2, 3, 4))


def with_differences(video: Tensor) -> Tensor:
    """Add to each frame what changed since the one before it, times a gain; to the first, which has none, zeros.

    Args:
        video: ``(b, 3, f, h, w)``.

    Returns:
        ``(b, 6, f, h, w)``.
    """
    return torch.cat([video, DIFFERENCE_GAIN * video.diff(dim=2, prepend=video[:, :, :1])], dim=1)


def _over_space(channels: int, width: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(channels, width, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)


def _over_time(channels: int, width: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(channels, width, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)
