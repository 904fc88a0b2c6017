"""What the denoiser is told about a clip besides its noisy latents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class Conditions:
    """Text and sound of a batch of clips, each stored once per clip and never repeated per frame.

    Args:
        text: Text tokens, ``(b, n, d)``.
        audio: Audio tokens, ``(b, m, d)``; ``None`` skips the audio layers of the denoiser.
        audio_mask: Which tokens a frame may attend to, ``(f, m)`` or ``(b, f, m)`` bool, True = attend; ``None``
            lets every frame see every token.
    """

    text: Tensor
    audio: Tensor | None = None
    audio_mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.audio is None or self.audio_mask is None:
            return
        if self.audio_mask.shape[-1] != self.audio.shape[1]:
            raise ConfigurationError(
                f"The audio mask speaks of {self.audio_mask.shape[-1]} tokens, but there are {self.audio.shape[1]}. "
                "Build the mask from the same audio encoder, see asva_lightning.encoders.segment_mask."
            )
        if not self.audio_mask.any(dim=-1).all():
            raise ConfigurationError("A frame sees no audio token at all. Widen the frame windows.")

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Conditions":
        """The same conditions on another device, and with floating-point tokens in another type."""
        return Conditions(
            self.text.to(device, dtype),
            None if self.audio is None else self.audio.to(device, dtype),
            None if self.audio_mask is None else self.audio_mask.to(device),
        )

    def without_audio(self) -> "Conditions":
        """The same text, with the audio layers skipped."""
        return replace(self, audio=None, audio_mask=None)

    @classmethod
    def stack(cls, parts: Sequence["Conditions"]) -> "Conditions":
        """Several batches of equal size one after the other, as guidance needs them.

        Raises:
            ConfigurationError: If some parts have audio, or an audio mask, and others have none.
        """
        audio = [part.audio for part in parts if part.audio is not None]
        if audio and len(audio) != len(parts):
            raise ConfigurationError("Conditions with and without audio cannot share one batch; run them one by one.")
        mask = parts[0].audio_mask
        if any(part.audio_mask is not mask for part in parts) or (mask is not None and mask.ndim == 3):
            of_clips = [part.audio_mask.expand(len(part.text), -1, -1) for part in parts if part.audio_mask is not None]
            if len(of_clips) != len(parts):
                raise ConfigurationError("Conditions with and without an audio mask cannot share one batch.")
            mask = torch.cat(of_clips)
        return cls(torch.cat([part.text for part in parts]), torch.cat(audio) if audio else None, mask)
