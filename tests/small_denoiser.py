"""A small denoiser and inputs for it, as the fixture ``small`` gives them."""

from collections.abc import Callable

import torch

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.encoders import Conditions


class SmallDenoiser:
    """A denoiser of two levels in which every layer has an effect, and random inputs for it."""

    text_channels, audio_channels, text_tokens, audio_tokens = 12, 10, 3, 8
    config = {
        "block_out_channels": (16, 32),
        "attention_levels": (True, False),
        "layers_per_block": 1,
        "heads": 2,
        "norm_groups": 4,
        "text_channels": text_channels,
        "audio_channels": audio_channels,
    }

    def __init__(self, fill: Callable) -> None:
        self.fill = fill

    def unet(self, **changes) -> AVSyncUNet:
        unet = AVSyncUNet(**(self.config | changes))
        unet.load_state_dict(self.fill(unet.state_dict(), "unet"))
        return unet.eval()

    def sample(self, clips=2, frames=4, height=8, width=8, channels=4, seed=0) -> torch.Tensor:
        return torch.randn(clips, channels, frames, height, width, generator=torch.Generator().manual_seed(seed))

    def conditions(self, clips=2, frames=4, seed=0, mask=True) -> Conditions:
        """Text, sound, and a mask ``(f, m)`` whose rows hold unequal numbers of tokens."""
        generator = torch.Generator().manual_seed(100 + seed)
        text = torch.randn(clips, self.text_tokens, self.text_channels, generator=generator)
        audio = torch.randn(clips, self.audio_tokens, self.audio_channels, generator=generator)
        seen = torch.rand(frames, self.audio_tokens, generator=generator) < 0.5
        seen[torch.arange(frames), torch.arange(frames) % self.audio_tokens] = True
        return Conditions(text, audio, seen if mask else None)
