"""The defects of the method's original evaluation, for numbers that must stand beside published ones.

Nothing else in this package knows of them. Each is asked for by name, and says in ``legacy`` what a report must print
with the number.
"""

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import ClassVar, Protocol

import av
import numpy as np
import soxr
import torch
from av.audio.frame import AudioFrame
from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipFormat, Source, read_sound
from asva_lightning.media.container import MediaFile, frame_time, open_media, source_name
from asva_lightning.metrics.alignsync import AlignSync
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.fid import FID
from asva_lightning.metrics.relsync import RelSync

READ_BACK = "samples' sound read back from AAC at 16 kHz"
READ_BACK_RATE = 16_000


class FIDAt229(FID):
    """FID of frames that are resized to 229 px, where Inception-v3 was trained on 299; arguments as for FID."""

    side = 229
    legacy: ClassVar[str] = "FID of frames at 229 px instead of 299"


class ScrambledSound:
    """Reads a file's sound as the original does, which scrambles it unless it is mono.

    Each decoded piece ``(samples, channels)`` was reshaped to ``(channels, samples)``, not transposed, so that the
    first "channel" of a stereo piece is its first half with left and right in turn: the sound plays at half its speed,
    one octave lower, and jumps at every piece. Only that channel is heard. The published checkpoints were trained on
    such sound. Pieces count whole if they begin inside the window, and the middle of what they give is taken.
    """

    legacy: ClassVar[str] = "stereo sound scrambled as by the original reader"

    def __call__(self, path: Source, start: float, seconds: float, sample_rate: int = ClipFormat.sample_rate) -> Tensor:
        """Read a stretch.

        Args:
            path: A sound or video file, as a path or binary file.
            start: Where it begins, in seconds on the clip clock.
            seconds: Its length.
            sample_rate: Wanted samples a second.

        Returns:
            ``(samples,)`` float32, filled up with zeros where the pieces give less.

        Raises:
            MediaError: If the file cannot be read, or has no sound there.
        """
        with open_media(path) as media:
            pieces, rate = _pieces(media, start, seconds)
        if not pieces:
            raise MediaError(source_name(path), f"has no sound between {start:.3f} s and {start + seconds:.3f} s.")
        first = scrambled(pieces)[0].numpy()
        heard = torch.from_numpy(first if rate == sample_rate else soxr.resample(first, rate, sample_rate))
        wanted = round(seconds * sample_rate)
        begin = max(0, (len(heard) - wanted) // 2)
        heard = heard[begin : begin + wanted]
        return torch.nn.functional.pad(heard, (0, wanted - len(heard)))


def scrambled(pieces: Iterable[Tensor]) -> Tensor:
    """Pieces of sound ``(samples, channels)``, each reshaped instead of transposed, one after the other.

    Returns:
        ``(channels, all samples)``.
    """
    return torch.cat([piece.reshape(piece.shape[1], piece.shape[0]) for piece in pieces], dim=1)


def _pieces(media: MediaFile, start: float, seconds: float) -> tuple[list[Tensor], int]:
    """The decoded pieces ``(samples, channels)`` that begin inside the window, and their rate."""
    pieces, rate = [], 0
    for frame in media.sound_frames(start):
        place = frame_time(frame) - media.zero
        if place > start + seconds:
            break
        if place >= start:
            pieces.append(_samples(frame))
            rate = frame.sample_rate
    return pieces, rate


def _samples(frame: AudioFrame) -> Tensor:
    """A decoded piece as ``(samples, channels)`` float32."""
    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    ordered = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if np.issubdtype(ordered.dtype, np.integer):
        ordered = ordered.astype(np.float32) / 2.0 ** (8 * ordered.itemsize - 1)
    return torch.from_numpy(np.ascontiguousarray(ordered, dtype=np.float32))


class OneClipMeasure(Protocol):
    """What judges one clip, as evaluation takes it."""

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is better; None where neither is."""

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip."""


class ReadBackSound:
    """A measure that hears a clip's sound after AAC at 16 kHz, not the source's own.

    The original scores what it wrote: its mp4 files hold the sound as AAC at 16 kHz. The true clip is scored with the
    sound of the source; where a measure compares the two, take :class:`ReadBackRelSync` or :class:`ReadBackAlignSync`.
    The sound that it is given must be that of the source: one that was read from such a file would be coded twice.

    Args:
        measure: Any measure of one clip and its sound.
    """

    legacy: ClassVar[str] = READ_BACK
    needs_true_sound: ClassVar[bool] = True

    def __init__(self, measure: OneClipMeasure) -> None:
        self.wrapped = measure

    @property
    def higher_is_better(self) -> bool | None:
        """As for the measure inside."""
        return self.wrapped.higher_is_better

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip with its sound after AAC.

        Raises:
            ConfigurationError: If the format's sound is not at 16 kHz.
        """
        return self.wrapped.measure(clip.with_sound(read_back(clip.waveform, format.sample_rate)), format)


class ReadBackRelSync(RelSync):
    """RelSync that hears the samples' sound after AAC at 16 kHz, and the truth's as it is; arguments as for RelSync.

    It makes the samples' sound of the source's, which it must be given.
    """

    legacy: ClassVar[str] = READ_BACK
    needs_true_sound: ClassVar[bool] = True

    def heard(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """The sounds ``(b, samples)`` after AAC."""
        return torch.stack([read_back(sound, sample_rate) for sound in waveform])


class ReadBackAlignSync(AlignSync):
    """AlignSync with the same; arguments as for AlignSync."""

    legacy: ClassVar[str] = READ_BACK
    needs_true_sound: ClassVar[bool] = True

    def heard(self, waveform: Tensor, sample_rate: int) -> Tensor:
        """The sounds ``(b, samples)`` after AAC."""
        return torch.stack([read_back(sound, sample_rate) for sound in waveform])


def read_back(waveform: Tensor, sample_rate: int) -> Tensor:
    """A sound as it comes back from an mp4 file with AAC at 16 kHz, mono, at the encoder's own bit rate.

    Args:
        waveform: Mono sound in [-1, 1], ``(samples,)``.
        sample_rate: 16 000.

    Returns:
        ``(samples,)``.

    Raises:
        ConfigurationError: If the rate is not 16 kHz.
    """
    if sample_rate != READ_BACK_RATE:
        raise ConfigurationError(
            f"The original writes sound at {READ_BACK_RATE} samples a second; this clip has {sample_rate}. "
            f"Set --data.format.sample_rate to {READ_BACK_RATE}."
        )
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=READ_BACK_RATE, layout="mono")
        frame = AudioFrame.from_ndarray(waveform.cpu().numpy()[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = READ_BACK_RATE, Fraction(1, READ_BACK_RATE), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return read_sound(file, READ_BACK_RATE, 0.0, len(waveform) / READ_BACK_RATE)
