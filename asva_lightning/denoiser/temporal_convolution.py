"""The first-frame lookup temporal convolution that follows every 2D convolution."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from asva_lightning.denoiser.anatomy import METHOD, Anatomy


class FrameLookup(nn.Linear):
    """Adds, at each pixel, what the first, the previous and the same frame say: ``W [x_0 ; x_max(t-1, 0) ; x_t] + b``.

    ``W`` (``c`` x ``3 c``) and ``b`` start at zero.

    Args:
        channels: Number of channels ``c``.
        first_frame: Whether ``x_0`` is looked up; ``W`` is ``c`` x ``2 c`` without.
    """

    def __init__(self, channels: int, first_frame: bool = True) -> None:
        super().__init__((3 if first_frame else 2) * channels, channels)
        self.first_frame = first_frame
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Look up for every frame of ``clips (b, f, c, h, w)``."""
        first = clips[:, 0]
        previous = torch.cat([first[:, None], clips[:, :-1]], dim=1)
        if not self.first_frame:
            both = torch.cat([previous, clips], dim=2).flatten(0, 1)
            return conv2d(both, self.weight[..., None, None], self.bias).unflatten(0, clips.shape[:2])
        # The product with the first frame is the same for all frames of a clip, so it is made once.
        of_first, of_others = self.weight.split([self.out_features, 2 * self.out_features], dim=1)
        constant = conv2d(first, of_first[..., None, None], self.bias)
        changing = conv2d(torch.cat([previous, clips], dim=2).flatten(0, 1), of_others[..., None, None])
        return constant[:, None] + changing.unflatten(0, clips.shape[:2])


class TemporalConv2d(nn.Conv2d):
    """A 2D convolution of every frame, and to its result ``x_t`` added the :class:`FrameLookup` (AVSyncD, ECCV 2024).

    As the lookup starts at zero, an inflated network starts as the 2D network.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel_size: Side of the 2D kernel.
        stride: Its stride.
        anatomy: Whether there is a lookup, and whether it sees the first frame.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, anatomy: Anatomy = METHOD
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2)
        self.conv_temp = FrameLookup(out_channels, anatomy.first_frame_lookup) if anatomy.temporal_convolution else None

    def forward(self, images: Tensor, frames: int) -> Tensor:  # type: ignore[override]
        """Convolve frames ``(b * f, c, h, w)`` of clips of ``frames`` frames each."""
        convolved = super().forward(images)
        if self.conv_temp is None:
            return convolved
        clips = convolved.unflatten(0, (-1, frames))
        return (clips + self.conv_temp(clips)).flatten(0, 1)
