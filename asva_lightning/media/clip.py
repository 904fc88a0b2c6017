"""One clip: frames and sound of the same stretch of a file."""

from dataclasses import dataclass

from torch import Tensor

from asva_lightning.errors import MediaError
from asva_lightning.media.container import Source, checked_seconds, open_media
from asva_lightning.media.decode import frames_at
from asva_lightning.media.format import ClipFormat
from asva_lightning.media.sound import sound_window


@dataclass(frozen=True)
class Clip:
    """Frames and sound that belong together.

    Attributes:
        pixels: ``(3, f, h, w)``, uint8 RGB; frame ``f`` is shown ``f / fps`` seconds after the start.
        waveform: ``(samples,)``, float32 mono in [-1, 1].
    """

    pixels: Tensor
    waveform: Tensor


def read_clip(path: Source, format: ClipFormat, start: float = 0.0) -> Clip:
    """Read one clip out of a video file with sound.

    Args:
        path: A video file, as a path or binary file.
        format: Number, rate and size of the frames, and rate of the sound.
        start: Where the clip begins, in seconds after the file's first frame.

    Returns:
        The clip. Where the sound ends before the clip does, the rest is silence.

    Raises:
        MediaError: If the file cannot be read, has no picture or no sound, if its picture ends before the last frame,
            or if its sound covers less than half of the clip.
        ConfigurationError: If ``start`` is negative or no finite number.
    """
    checked_seconds("start", start, least=0.0)
    with open_media(path) as media:
        media.needed_sound()  # known at once, so tell before any frame is decoded
        pixels = frames_at(media, [start + time for time in format.times], format.height, format.width)
        waveform, covered = sound_window(media, format.sample_rate, start, format.samples)
    if covered < format.seconds / 2:
        raise MediaError(
            media.name,
            f"the sound covers only {covered:.2f} s of the {format.seconds:.2f} s from {start:.2f} s on. "
            "Start elsewhere, or leave this file out.",
        )
    return Clip(pixels, waveform)
