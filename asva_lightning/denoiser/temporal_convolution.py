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
        of_previous, of_same = self.weight[:, -2 * self.out_features :].chunk(2, dim=1)
        # Both products are made of each frame once, and that of the previous frame is shifted afterwards: two frames
        # side by side would be a copy of twice the size, kept for the backward pass.
        both = conv2d(clips.flatten(0, 1), torch.cat([of_previous, of_same])[..., None, None])
        previous, same = both.unflatten(0, clips.shape[:2]).chunk(2, dim=2)
        # The product with the first frame is the same for all frames of a clip, so it is made once.
        constant = self._of_first(clips[:, 0])
        return constant + same + delayed(previous, both.is_contiguous(memory_format=torch.channels_last))

    def _of_first(self, first: Tensor) -> Tensor:
        """What the first frame ``(b, c, h, w)`` adds to every frame, ``(b, 1, c, h, w)``, and the bias."""
        assert self.bias is not None
        if not self.first_frame:
            return self.bias[:, None, None]
        of_first = self.weight[:, : self.out_features]
        return conv2d(first, of_first[..., None, None], self.bias)[:, None]


def delayed(clips: Tensor, channels_last: bool) -> Tensor:
    """Clips ``(b, f, c, h, w)`` one frame late: the first frame stands twice, the last one is left out.

    Args:
        clips: The clips.
        channels_last: Whether the frames lie in memory with their channels last; the result's then do, too.
    """
    if channels_last:
        return delayed(clips.permute(0, 1, 3, 4, 2), False).permute(0, 1, 4, 2, 3)
    return torch.cat([clips[:, :1], clips[:, :-1]], dim=1)


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
