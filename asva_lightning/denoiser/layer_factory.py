"""What makes the layers of the UNet's levels."""

from dataclasses import dataclass, field

from asva_lightning.denoiser.anatomy import Anatomy
from asva_lightning.denoiser.blocks import Resample
from asva_lightning.denoiser.resnet import ResnetBlock
from asva_lightning.denoiser.transformer import AudioVideoBlock, VideoTransformer


@dataclass(frozen=True)
class LayerFactory:
    """Makes layers from their channels, with all that they share.

    Args:
        time_channels: Width of the embedding of the noise level.
        heads: Attention heads.
        norm_groups: Groups of the group normalisations.
        text_channels: Width of the text tokens.
        audio_channels: Width of the audio tokens.
        anatomy: Which parts the network has.
        blocks: The blocks of the transformers made so far, in the order in which their conditions are prepared.
    """

    time_channels: int
    heads: int
    norm_groups: int
    text_channels: int
    audio_channels: int
    anatomy: Anatomy
    blocks: list[AudioVideoBlock] = field(default_factory=list)

    def resnet(self, channels: int, out: int) -> ResnetBlock:
        """A residual block."""
        return ResnetBlock(channels, out, self.time_channels, self.norm_groups, self.anatomy)

    def transformer(self, channels: int) -> VideoTransformer:
        """A transformer of one block, which is added to :attr:`blocks`."""
        block = AudioVideoBlock(
            channels,
            self.heads,
            self.text_channels,
            self.audio_channels,
            index=len(self.blocks),
            anatomy=self.anatomy,
        )
        self.blocks.append(block)
        return VideoTransformer(channels, self.norm_groups, block)

    def downsampler(self, channels: int) -> Resample:
        """The end of a level on the way down."""
        return Resample(channels, 2, self.anatomy)

    def upsampler(self, channels: int) -> Resample:
        """The end of a level on the way up."""
        return Resample(channels, 1, self.anatomy)
