"""DeSync as a measure: by how many seconds a network for synchrony believes that sound and picture are apart.

An example of a judge of one's own; docs/evaluate.md tells how it is used. The network is not part of this project.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from asva_lightning.media.format import ClipFormat

SECONDS, FPS, SAMPLE_RATE, SIDE = 4.8, 25, 16_000, 224
"""What Synchformer (Iashin et al., ICASSP 2024) was trained on: 120 frames of 224 x 224, and mono sound."""

OFFSETS = torch.linspace(-2.0, 2.0, 21)
"""The offsets in seconds that it chooses from."""


class DeSync(nn.Module):
    """Mean over stretches of 4.8 s of the size of the offset that the network finds likeliest, in seconds.

    A clip of at least 4.8 s is heard in two stretches, at its beginning and at its end. A shorter one has no such
    stretch: its last frame is held and its sound followed by silence up to 4.8 s. What was added has no event in it,
    so that it moves no offset, but the network has less to go by: never compare the DeSync of clips of unlike length.

    Args:
        network: Frames ``(b, 120, 3, 224, 224)`` in [-1, 1] and sound ``(b, 76800)`` to logits ``(b, 21)`` over
            ``OFFSETS``. Around Synchformer this is a few lines of yours: its cutting into segments, its spectrogram.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, audio: Tensor, video: Tensor, format: ClipFormat) -> Tensor:
        """Judge a batch.

        Args:
            audio: Mono sound in [-1, 1], ``(b, s)``, at 16 kHz.
            video: RGB frames ``(b, 3, f, h, w)``, uint8, at any frame rate.
            format: Frame rate, size and sample rate.

        Returns:
            Seconds, ``(b,)``; 0 is in step.
        """
        if format.sample_rate != SAMPLE_RATE:
            raise ValueError(f"DeSync hears {SAMPLE_RATE} samples a second; set --data.format.sample_rate to that.")
        frames, sound = at_25_fps(video, format), audio
        length, samples = round(SECONDS * FPS), round(SECONDS * SAMPLE_RATE)
        frames = torch.cat([frames, frames[:, :, -1:].expand(-1, -1, max(0, length - frames.shape[2]), -1, -1)], dim=2)
        sound = pad(sound, (0, max(0, samples - sound.shape[1])))
        stretches = [(frames[:, :, :length], sound[:, :samples]), (frames[:, :, -length:], sound[:, -samples:])]
        if format.seconds <= SECONDS:
            del stretches[1]
        return torch.stack([self._offset(*stretch) for stretch in stretches]).mean(dim=0)

    def _offset(self, frames: Tensor, sound: Tensor) -> Tensor:
        pictures = frames.transpose(1, 2)
        resized = [interpolate(clip / 127.5 - 1, (SIDE, SIDE), mode="bicubic", antialias=True) for clip in pictures]
        logits = self.network(torch.stack(resized), sound)
        return OFFSETS.to(logits.device)[logits.argmax(dim=1)].abs()


def at_25_fps(video: Tensor, format: ClipFormat) -> Tensor:
    """Clips ``(b, 3, f, h, w)`` shown at 25 frames a second: at each time the frame that is on screen then."""
    count = math.floor(format.seconds * FPS + 1e-6)
    on_screen = (torch.arange(count, dtype=torch.float64) / FPS * format.fps + 1e-6).floor().long()
    return video[:, :, on_screen.clamp(max=format.frames - 1).to(video.device)]
