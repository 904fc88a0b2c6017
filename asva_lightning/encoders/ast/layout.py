"""Where the patches of AST lie in a sound."""

import math
from dataclasses import dataclass

from asva_lightning.encoders.audio import HOP
from asva_lightning.encoders.windows import TokenGrid
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat

WINDOW = ClipFormat.sample_rate * 25 // 1000
"""Samples under one window of the log-mel spectrogram."""


@dataclass(frozen=True)
class AstLayout:
    """Sizes that decide where patches lie; the defaults are those of the published network.

    Args:
        patch: Side of a patch: bands of frequency and windows of time.
        stride: Windows from one patch to the next.
        rows: Patches along frequency.
        longest: Patches along time for which there are position embeddings.
    """

    patch: int = 16
    stride: int = 10
    rows: int = 12
    longest: int = 101

    def windows(self, samples: int) -> int:
        """Windows of the spectrogram (10 ms apart) that the patches of a sound cover.

        The last patch may reach beyond the sound, where the spectrogram is padded as for AST's training; there are no
        further patches of padding.

        Raises:
            ConfigurationError: If the sound is longer than AST was trained for.
        """
        return self.patch + self.stride * (self._columns(samples) - 1)

    def grid(self, samples: int) -> TokenGrid:
        """The class token and the distillation token, then bands of frequency over columns of time.

        Raises:
            ConfigurationError: If the sound is longer than AST was trained for.
        """
        window, hop = WINDOW / ClipFormat.sample_rate, HOP / ClipFormat.sample_rate
        middle = ((self.patch - 1) * hop + window) / 2
        return TokenGrid(2, self.rows, self._columns(samples), first=middle, step=self.stride * hop)

    def _columns(self, samples: int) -> int:
        windows = 1 + (samples - WINDOW) // HOP
        columns = max(1, 1 + math.ceil((windows - self.patch) / self.stride))
        if columns > self.longest:
            seconds = ((self.patch + self.stride * (self.longest - 1) - 1) * HOP + WINDOW) / ClipFormat.sample_rate
            raise ConfigurationError(
                f"This AST hears at most {seconds:.1f} s of sound, but a clip has "
                f"{samples / ClipFormat.sample_rate:.1f} s. Make clips shorter (--data.format.frames), or take another "
                "audio encoder."
            )
        return columns
