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
        frame_times: When each frame is shown, ``(f,)`` or ``(b, f)``, counted in frames from the clip's start and
            increasing; ``None`` for 0, 1, 2 and so on. Only networks whose anatomy has ``frame_times`` look at it.

    Raises:
        ConfigurationError: If the mask does not fit the tokens, a frame sees no token, or times do not increase.
    """

    text: Tensor
    audio: Tensor | None = None
    audio_mask: Tensor | None = None
    frame_times: Tensor | None = None

    def __post_init__(self) -> None:
        if self.frame_times is not None and not (self.frame_times.diff(dim=-1) > 0).all():
            raise ConfigurationError(
                f"The times of frames must increase from frame to frame, but are {self.frame_times.tolist()}. "
                "Sort them, and take each time once."
            )
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
            None if self.frame_times is None else self.frame_times.to(device),
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
        text = torch.cat([part.text for part in parts])
        mask = _stack(parts, [part.audio_mask for part in parts], of_clips=3, name="an audio mask")
        times = _stack(parts, [part.frame_times for part in parts], of_clips=2, name="frame times")
        return cls(text, torch.cat(audio) if audio else None, mask, times)


def _stack(parts: Sequence[Conditions], values: Sequence[Tensor | None], of_clips: int, name: str) -> Tensor | None:
    """One tensor where all parts share it; else one row a clip, which has ``of_clips`` dimensions."""
    shared = values[0]
    if all(value is shared for value in values) and (shared is None or shared.ndim < of_clips):
        return shared
    rows = []
    for part, value in zip(parts, values):
        if value is None:
            raise ConfigurationError(f"Conditions with and without {name} cannot share one batch.")
        of_one = value if value.ndim == of_clips else value[None]
        rows.append(of_one.expand(len(part.text), *of_one.shape[1:]))
    return torch.cat(rows)
