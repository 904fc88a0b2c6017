"""The classifier's ear: a plain convolutional network over the log-mel picture of a sound."""

from collections.abc import Sequence

from torch import Tensor, nn


class AudioBlock(nn.Module):
    """Two 3x3 convolutions, each with batch normalisation and ReLU.

    Args:
        channels: Channels that come in.
        width: Channels that go out.
        stride: Of the first convolution, in frequency and time.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, mel: Tensor) -> Tensor:
        """``(b, channels, bands, columns)`` to ``(b, width, bands / stride, columns / stride)``."""
        hidden = self.bn1(self.conv1(mel)).relu()
        result: Tensor = self.bn2(self.conv2(hidden)).relu()
        return result


class AudioNetwork(nn.Module):
    """Log-mel energies to one vector: a stem, then one block for each width, then the mean over frequency and time.

    The stem and all blocks but the last halve frequency and time. This is the audio network of AVID-CMA (Morgado et
    al., CVPR 2021) with a mean where that has a maximum.

    Args:
        widths: Channels of each block; the stem has as many as the first.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(1, widths[0], 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.blocks = []
        channels = widths[0]
        for number, width in enumerate(widths, start=1):
            self.blocks.append(f"block{number}")
            self.add_module(f"block{number}", AudioBlock(channels, width, stride=1 if number == len(widths) else 2))
            channels = width

    def forward(self, mel: Tensor) -> Tensor:
        """``(b, 1, 128, columns)`` to ``(b, widths[-1])``."""
        hidden: Tensor = self.conv1(mel)
        for name in self.blocks:
            hidden = self.get_submodule(name)(hidden)
        return hidden.mean(dim=(2, 3))
