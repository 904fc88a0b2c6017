"""Encoding one sample of a data set: latents of all its frames, its sound, and tokens of stretches of its sound."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from av.video.frame import VideoFrame
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad

from asva_lightning.data.clips import MemberBytes, open_member
from asva_lightning.data.encoded_clip import FULL_SCALE
from asva_lightning.data.encoded_writer import clip_file
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.encoders import AudioEncoder, LatentCodec, to_floats
from asva_lightning.errors import MediaError, ShardsError
from asva_lightning.files import replace
from asva_lightning.media import ClipFormat, read_frames, read_sound, sound_seconds
from asva_lightning.media.container import Source, open_media
from asva_lightning.media.decode import frame_seconds
from asva_lightning.training.doctor.tree import instantiate

FloatType = Literal["float16", "float32"]
SoundType = Literal["int16", "float32"]

FRAMES_AT_ONCE = 64
"""Frames that are in memory as pixels at a time."""

MARGIN = 10.0
"""So many seconds the sound of a sample may be longer than the manifest says; what follows belongs to no clip."""

SOUNDS_AT_ONCE = 16
"""Stretches of sound that go through the audio encoder together."""


@dataclass(frozen=True)
class EncodeItem:
    """A sample and the split that it belongs to."""

    split: str
    sample: SampleRecord


@dataclass(frozen=True)
class EncodeClip:
    """What is done with every sample; other processes can be given it.

    Args:
        codec: The recipe's codec, ``class_path`` and ``init_args`` as JSON.
        format: What a clip is.
        clips: Folder of the encoded clips.
        device: Where the networks are.
        latents: Type of the stored latents, and of the tokens of sounds.
        sound: Type of the stored sound.
        audio: The recipe's audio encoder as JSON, where tokens are wanted.
        audio_step: Seconds from one start that gets tokens to the next.
    """

    codec: str
    format: ClipFormat
    clips: Path
    device: str
    latents: FloatType
    sound: SoundType
    audio: str | None = None
    audio_step: float | None = None

    def __call__(self, item: EncodeItem) -> dict[str, Any]:
        """Encode a sample and write its file.

        Returns:
            The number of its frames.

        Raises:
            ShardsError: If the sample cannot be read, or its latents are no finite numbers of the stored type.
        """
        try:
            tensors = self._tensors(item)
        except MediaError as error:  # the key names the sample already
            raise ShardsError(error.reason) from error
        with replace(clip_file(self.clips, item.sample.key)) as temporary:
            save_file(tensors, temporary)
        return {"frames": len(tensors["times"]) - 1}

    def _tensors(self, item: EncodeItem) -> dict[str, Tensor]:
        media = open_member(item.sample)
        times = frame_times(media)
        waveform = whole_sound(media, item.sample.seconds, self.format.sample_rate)
        waveform = waveform[: round(times[-1] * self.format.sample_rate)]
        tensors = {
            "times": torch.tensor(times, dtype=torch.float64),
            "latents": self._latents(media, times[:-1], mirrored=item.split == "train"),
            "waveform": to_int16(waveform) if self.sound == "int16" else waveform.contiguous(),
        }
        if self.audio is not None and self.audio_step is not None:
            tensors["audio"] = self._tokens(waveform, item.sample.seconds, self.audio, self.audio_step)
        return tensors

    def _latents(self, media: MemberBytes, times: list[float], mirrored: bool) -> Tensor:
        """Mean, or mean and deviation, of every frame: ``(1 or 2 flips, f, 1 or 2, c, h, w)``."""
        codec: LatentCodec = network(self.codec, LatentCodec, self.device)
        parts = []
        for begin in range(0, len(times), FRAMES_AT_ONCE):
            wanted = times[begin : begin + FRAMES_AT_ONCE]
            pixels = read_frames(media, wanted, self.format.height, self.format.width).to(self.device)
            flips = [pixels, pixels.flip(-1)] if mirrored else [pixels]
            parts.append(torch.stack([encode_frames(codec, flip).to(self._type).cpu() for flip in flips]))
        latents = torch.cat(parts, dim=1)
        if not latents.isfinite().all():
            raise ShardsError(f"its latents are no finite numbers of type {self.latents}. Try --latents float32.")
        return latents

    @torch.no_grad()
    def _tokens(self, waveform: Tensor, seconds: float, audio: str, step: float) -> Tensor:
        """Tokens of the sounds that start every ``step`` seconds, ``(starts, m, d)``."""
        encoder: AudioEncoder = network(audio, AudioEncoder, self.device)
        starts = range(max(1, int((seconds - self.format.seconds) / step + 1e-6) + 1))
        padded = pad(waveform, (0, self.format.samples))
        firsts = [round(start * step * self.format.sample_rate) for start in starts]
        sounds = torch.stack([padded[first : first + self.format.samples] for first in firsts])
        tokens = [encoder(part.to(self.device)).to(self._type).cpu() for part in sounds.split(SOUNDS_AT_ONCE)]
        return torch.cat(tokens)

    @property
    def _type(self) -> torch.dtype:
        return torch.float16 if self.latents == "float16" else torch.float32


@cache
def network(config: str, kind: type, device: str) -> Any:
    """A network of a recipe, made once in a process."""
    made = instantiate(json.loads(config), kind)
    return made.to(device).eval()


@torch.no_grad()
def encode_frames(codec: LatentCodec, pixels: Tensor) -> Tensor:
    """What the codec knows of frames ``(3, f, h, w)`` uint8: ``(f, 1 or 2, c, h, w)``, mean and deviation if any."""
    mean, deviation = codec.encode_frames(to_floats(pixels)[None])
    return torch.stack([mean[0]] if deviation is None else [mean[0], deviation[0]], dim=1)


def frame_times(media: Source) -> list[float]:
    """When each frame of a file is shown, in seconds after the first, and when the last one ends."""
    with open_media(media) as file:
        frames: list[VideoFrame] = []
        times: list[float] = []
        for frame in file.video_frames(0.0):
            if not times or frame.time > frames[-1].time:  # as where frames are looked for by time
                frames = [*frames[-1:], frame]
                times.append(frame.time - file.zero)
        before = frames[0] if len(frames) > 1 else None
        return [*times, times[-1] + frame_seconds(frames[-1], before, file.needed_picture())]


def whole_sound(media: Source, seconds: float, sample_rate: int) -> Tensor:
    """All sound of a file, unless it claims far more than there is: a damaged time stamp may mean days of silence.

    Args:
        media: The file.
        seconds: How long it is, by the manifest; up to :data:`MARGIN` more are read.
        sample_rate: Wanted samples a second.

    Returns:
        ``(samples,)``, float32.

    Raises:
        MediaError: If it cannot be read.
    """
    longest = seconds + MARGIN
    return read_sound(media, sample_rate, seconds=longest if sound_seconds(media) > longest else None)


def to_int16(waveform: Tensor) -> Tensor:
    """Sound in [-1, 1] as 16-bit samples."""
    return (waveform * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1).to(torch.int16)
