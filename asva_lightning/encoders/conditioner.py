"""Conditioner: from a batch of clips to latents and conditions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asva_lightning.data.batch import ClipBatch
from asva_lightning.encoders.audio import AudioEncoder
from asva_lightning.encoders.codecs import LatentCodec
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.encoders.text import TextEncoder
from asva_lightning.encoders.windows import FrameWindows, SegmentWindows


class Conditioner(nn.Module):
    """The only code that knows how a batch becomes latents, text tokens and audio tokens.

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
        self, batch: ClipBatch, generators: Sequence[torch.Generator] | None = None
    ) -> tuple[Tensor, Conditions]:
        """Encode a batch.

        Args:
            batch: ``b`` clips.
            generators: One a clip, where the codec's latents are to be sampled instead of the most likely ones.

        Returns:
            Latents ``(b, c, f, h, w)`` and conditions.
        """
        latents = self.codec.encode(to_floats(batch.pixels), generators)
        return latents, self.conditions(batch.waveform, batch.texts, batch.pixels.shape[2])

    def conditions(self, waveform: Tensor, texts: Sequence[str], frames: int) -> Conditions:
        """Encode text and sound ``(b, samples)`` of clips of so many frames."""
        tokens = self.audio(waveform)
        mask = self._mask(frames, waveform.shape[-1]).to(tokens.device)
        return Conditions(self.text(texts, waveform.device), tokens, mask)

    def null(self, samples: int, frames: int, device: torch.device | None = None) -> Conditions:
        """Conditions of one clip, ``b = 1``, that say nothing: no text and no sound."""
        text = self.text([""], device)
        mask = self._mask(frames, samples).to(text.device)
        return Conditions(text, self.audio.null(samples).to(text.device), mask)

    def _mask(self, frames: int, samples: int) -> Tensor:
        return self.windows(frames, self.audio.grid(samples), samples / self.audio.sample_rate)


def to_floats(pixels: Tensor) -> Tensor:
    """uint8 pixels to floats in [-1, 1], as codecs take them."""
    return pixels.float() / 127.5 - 1


def to_pixels(floats: Tensor) -> Tensor:
    """Floats in [-1, 1] to uint8 pixels; what lies outside is cut off."""
    return ((floats + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


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
        return Conditions(tokens, conditions.audio, conditions.audio_mask)
    sound = torch.where(audio[:, None, None], null.audio, conditions.audio)
    return Conditions(tokens, sound, conditions.audio_mask)
