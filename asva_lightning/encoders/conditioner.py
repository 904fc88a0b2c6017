"""Conditioner: from a batch of clips to latents and conditions."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from asva_lightning.data.batch import ClipBatch
from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.codecs import LatentCodec
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.encoders.text import TextEncoder
from asva_lightning.encoders.windows import FrameWindows, SegmentWindows, mask_of


class Conditioner(nn.Module):
    """The only code that knows how a batch becomes latents, text tokens and audio tokens, and which of them it brings.

    Args:
        codec: Pixels to latents and back.
        audio: Sound to tokens.
        text: Text to tokens.
        windows: Which audio tokens a frame sees; the method's segments if not given.
    """

    def __init__(
        self, codec: LatentCodec, audio: AudioEncoder, text: TextEncoder, windows: FrameWindows | None = None
    ) -> None:
        super().__init__()
        self.codec = codec
        self.audio = audio
        self.text = text
        self.windows = windows or SegmentWindows()

    def forward(
        self, batch: ClipBatch, generators: Sequence[torch.Generator] | None = None, hear: bool = True
    ) -> tuple[Tensor, Conditions]:
        """Encode a batch.

        Args:
            batch: ``b`` clips.
            generators: One a clip, where the codec's latents are to be sampled instead of the most likely ones.
            hear: Whether to encode the sound. A network without audio layers does not look at it, and encoding it can
                cost more than the network.

        Returns:
            Latents ``(b, c, f, h, w)`` and conditions.
        """
        latents = self._latents(batch, generators)
        return latents, self.conditions(batch.waveform, batch.texts, latents.shape[2], batch.audio, hear)

    def conditions(
        self, waveform: Tensor, texts: Sequence[str], frames: int, audio: Tensor | None = None, hear: bool = True
    ) -> Conditions:
        """Encode text and sound ``(b, samples)`` of clips of so many frames.

        Args:
            waveform: The sound.
            texts: Text of each clip.
            frames: Number of frames.
            audio: The tokens ``(b, m, d)`` of the sound, where they are known already.
            hear: Whether the conditions are to hold the sound at all.
        """
        mask = self.mask(frames, waveform.shape[-1]) if hear else None
        if mask is None:
            return Conditions(self.text(texts, waveform.device))
        tokens = self.audio(waveform) if audio is None else audio.float()
        return Conditions(self.text(texts, waveform.device), tokens, mask.to(tokens.device))

    def null(self, samples: int, frames: int, device: torch.device | None = None, hear: bool = True) -> Conditions:
        """Conditions of one clip, ``b = 1``, that say nothing: no text and no sound.

        Args:
            samples: Length of the sound.
            frames: Number of frames.
            device: Where they are wanted.
            hear: As for :meth:`conditions`; both must be given the same.
        """
        text = self.text([""], device)
        mask = self.mask(frames, samples) if hear else None
        if mask is None:
            return Conditions(text)
        return Conditions(text, self.audio.null(samples).to(text.device), mask.to(text.device))

    def _latents(self, batch: ClipBatch, generators: Sequence[torch.Generator] | None) -> Tensor:
        if batch.latents is None:
            return self.codec.encode(to_floats(batch.pixels), generators)
        mean, *deviation = batch.latents.float().unbind(1)
        return self.codec.from_frames(mean, deviation[0] if deviation else None, generators)

    def mask(self, frames: int, samples: int) -> Tensor | None:
        """Which audio tokens each frame of a clip may attend to, ``(f, m)``; ``None`` where it hears nothing at all.

        Args:
            frames: Number of frames.
            samples: Length of the sound.

        Raises:
            ConfigurationError: If the windows leave a frame without sound, or the encoder cannot hear so much of it.
        """
        return mask_of(self.windows, frames, self.audio.grids(samples), samples / self.audio.sample_rate)


def to_floats(pixels: Tensor) -> Tensor:
    """uint8 pixels to floats in [-1, 1], as codecs take them."""
    return pixels.float() / 127.5 - 1


def to_pixels(floats: Tensor) -> Tensor:
    """Floats in [-1, 1] to uint8 pixels; what lies outside is cut off.

    NaN becomes 0, so a video that is no video looks black afterwards: ask ``isfinite`` before.
    """
    return ((floats + 1) * 127.5).round().clamp(0, 255).nan_to_num(0.0).to(torch.uint8)


def drop(conditions: Conditions, null: Conditions, audio: Tensor, text: Tensor) -> Conditions:
    """Replace the sound or the text of some clips by "nothing", as classifier-free guidance is trained.

    Args:
        conditions: Of ``b`` clips.
        null: Of one clip, see :meth:`Conditioner.null`.
        audio: Which clips lose their sound, ``(b,)`` bool.
        text: Which clips lose their text, ``(b,)`` bool.
    """
    tokens = torch.where(text[:, None, None], null.text, conditions.text)
    if conditions.audio is None or null.audio is None:
        return replace(conditions, text=tokens)
    sound = torch.where(audio[:, None, None], null.audio, conditions.audio)
    return replace(conditions, text=tokens, audio=sound)
