"""An audio encoder that hears loudness alone: how loud it is, every 10 ms.

An example of an encoder of one's own; docs/extend.md tells how it is used. What a model learns with it in place of
another encoder, it learns from the envelope of the sound, so this is what that encoder has to beat.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from asva_lightning.encoders import AudioEncoder
from asva_lightning.encoders.windows import TokenGrid

STRETCH = 0.01
"""Seconds of sound that get one value."""

FLOOR = 1e-4
"""What is less loud than this (-80 dB of full scale) counts as silence."""


class EnvelopeEncoder(AudioEncoder):
    """Four loudnesses in a row (40 ms) become one token, through a trained Linear.

    Args:
        channels: Width of a token, that of ``denoiser.init_args.audio_channels``.
        values: Loudnesses of one token.
    """

    def __init__(self, channels: int = 96, values: int = 4) -> None:
        super().__init__()
        self.channels = channels
        self.values = values
        self.linear = nn.Linear(values, channels)

    def grid(self, samples: int) -> TokenGrid:
        """One token for each 40 ms, none for the whole sound; frame windows are made from this."""
        step = self.values * STRETCH
        return TokenGrid(leading=0, rows=1, columns=-(-samples // self._samples), first=step / 2, step=step)

    def forward(self, waveform: Tensor) -> Tensor:
        """Encode mono sound ``(b, samples)`` into tokens ``(b, m, channels)``."""
        tokens = self.grid(waveform.shape[-1]).tokens
        whole = pad(waveform.float(), (0, tokens * self._samples - waveform.shape[-1]))
        mean_square = whole.unflatten(-1, (tokens, self.values, -1)).square().mean(dim=-1)
        loudness = 1 + mean_square.clamp(min=FLOOR**2).log10() / 8  # 0 in silence, 1 at full scale
        encoded: Tensor = self.linear(loudness.to(self.linear.weight.dtype))
        return encoded

    def null(self, samples: int) -> Tensor:
        """The tokens ``(1, m, channels)`` of silence, for guidance and for clips that are trained without sound."""
        silence: Tensor = self(torch.zeros(1, samples, device=self.linear.weight.device))
        return silence

    @property
    def _samples(self) -> int:
        """Samples of one token."""
        return self.values * round(STRETCH * self.sample_rate)
