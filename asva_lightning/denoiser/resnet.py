"""The UNet's residual block and its group normalisation over all frames of a clip."""

from torch import Tensor, nn
from torch.nn.functional import silu

from asva_lightning.denoiser.anatomy import METHOD, Anatomy
from asva_lightning.denoiser.temporal_convolution import TemporalConv2d


def normalise_clips(norm: nn.GroupNorm, images: Tensor, frames: int) -> Tensor:
    """Group-normalise ``(b * f, c, h, w)`` with statistics over all ``f`` frames of a clip together."""
    clips = images.unflatten(0, (-1, frames)).transpose(1, 2)
    normalised: Tensor = norm(clips)
    return normalised.transpose(1, 2).flatten(0, 1)


class ResnetBlock(nn.Module):
    """Two temporal convolutions with the noise level added in between, and a shortcut.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        time_channels: Width of the time embedding.
        norm_groups: Groups of the normalisations.
        anatomy: Which parts its convolutions have.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_channels: int,
        norm_groups: int,
        anatomy: Anatomy = METHOD,
    ) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(norm_groups, in_channels, eps=1e-5)
        self.conv1 = TemporalConv2d(in_channels, out_channels, 3, anatomy=anatomy)
        self.time_emb_proj = nn.Linear(time_channels, out_channels)
        self.norm2 = nn.GroupNorm(norm_groups, out_channels, eps=1e-5)
        self.conv2 = TemporalConv2d(out_channels, out_channels, 3, anatomy=anatomy)
        changes = in_channels != out_channels
        self.conv_shortcut = TemporalConv2d(in_channels, out_channels, 1, anatomy=anatomy) if changes else None

    def forward(self, images: Tensor, time: Tensor, frames: int) -> Tensor:
        """Transform ``images (b * f, c, h, w)`` under the time embedding ``time (b, 1 or f, t)``."""
        hidden = self.conv1(silu(normalise_clips(self.norm1, images, frames)), frames)
        of_time = self.time_emb_proj(silu(time))[..., None, None]
        hidden = (hidden.unflatten(0, (-1, frames)) + of_time).flatten(0, 1)
        hidden = self.conv2(silu(normalise_clips(self.norm2, hidden, frames)), frames)
        shortcut = images if self.conv_shortcut is None else self.conv_shortcut(images, frames)
        return shortcut + hidden
