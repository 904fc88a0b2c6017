"""The first-frame lookup temporal convolution that follows every 2D convolution."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d


class TemporalConv2d(nn.Conv2d):
    """A 2D convolution of every frame, then a look at the first and the previous frame at each pixel.

    With ``x_t`` the 2D convolution of frame ``t``, the result is ``x_t + W [x_0 ; x_max(t-1, 0) ; x_t] + b``
    (AVSyncD, ECCV 2024). ``W`` and ``b`` start at zero, so that an inflated network starts as the 2D network.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2)
        self.conv_temp = nn.Linear(3 * out_channels, out_channels)
        nn.init.zeros_(self.conv_temp.weight)
        nn.init.zeros_(self.conv_temp.bias)

    def forward(self, images: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """Convolve frames ``(b * f, c, h, w)`` of clips of ``frames`` frames each."""
        clips = super().forward(images).unflatten(0, (-1, frames))
        first = clips[:, 0]
        previous = torch.cat([first[:, None], clips[:, :-1]], dim=1)
        # The product with the first frame is the same for all frames of a clip, so it is made once.
        of_first, of_others = self.conv_temp.weight.split([self.out_channels, 2 * self.out_channels], dim=1)
        lookup = conv2d(first, of_first[..., None, None], self.conv_temp.bias)
        change = conv2d(torch.cat([previous, clips], dim=2).flatten(0, 1), of_others[..., None, None])
        return (clips + lookup[:, None] + change.unflatten(0, (-1, frames))).flatten(0, 1)
