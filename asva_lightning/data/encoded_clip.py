"""Reading one clip out of a sample that holds latents: the same frames and sound as of the file that was encoded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from asva_lightning.data.manifest import SampleRecord
from asva_lightning.errors import MediaError
from asva_lightning.media import ClipFormat

FULL_SCALE = 2.0**15
"""What 16-bit samples of sound are divided by."""

_SAME = 1e-6
"""Times this close (seconds) count as equally near, as when a media file is read."""


@dataclass(frozen=True)
class EncodedClip:
    """Frames and sound that belong together, the frames encoded.

    Args:
        latents: Mean, or mean and standard deviation, of each frame, ``(1 or 2, f, c, h, w)``, as stored.
        waveform: ``(samples,)``, float32 mono in [-1, 1].
        audio: Tokens of the sound, ``(m, d)``, where they were asked for.
    """

    latents: Tensor
    waveform: Tensor
    audio: Tensor | None


def read_encoded(
    sample: SampleRecord, format: ClipFormat, start: float, flip: bool = False, audio_step: float | None = None
) -> EncodedClip:
    """Read one clip; of the frames only the bytes of those that it shows.

    Args:
        sample: A sample that holds latents.
        format: Number and rate of the frames, and rate of the sound, which is that of the sample.
        start: Where the clip begins, in seconds after the first frame.
        flip: Take the frames that were mirrored before they were encoded.
        audio_step: Where the tokens of the sound are wanted too: seconds from one start that has them to the next.

    Raises:
        MediaError: If the shard cannot be read, or the sample is damaged or has no such clip.
    """
    name = f"{sample.address}:{sample.key}"
    times = sample.tensors["times"].stretch(sample.address, 0, sample.tensors["times"].shape[0]).numpy()
    if not (len(times) > 1 and times[0] == 0 and (np.diff(times) > 0).all()):
        raise MediaError(name, "its times do not ascend from 0; it is damaged. Encode the shards again.")
    frames = nearest_frames(times, [start + time for time in format.times], name)
    stored = sample.tensors["latents"]
    if flip and stored.shape[0] < 2:
        raise MediaError(name, "its frames were not encoded mirrored as well; only the split `train` is.")
    rows = [int(flip) * stored.shape[1] + frame for frame in frames]
    latents = stored.rows(sample.address, rows, depth=2).transpose(0, 1)
    if not latents.isfinite().all():
        raise MediaError(name, "its latents are no finite numbers; it is damaged. Encode the shards again.")
    waveform = _sound(sample, format, start, name)
    if audio_step is None:
        return EncodedClip(latents, waveform, None)
    place = round(start / audio_step)
    return EncodedClip(latents, waveform, sample.tensors["audio"].stretch(sample.address, place, 1)[0])


def nearest_frames(times: NDArray[np.float64], wanted: Sequence[float], name: str) -> list[int]:
    """Which frames are shown nearest to given times, the earlier of two equally near; as media files are read.

    Args:
        times: When each frame is shown, and when the last one ends, ``(frames + 1,)``, seconds.
        wanted: Seconds, in ascending order.
        name: The sample, for messages.

    Raises:
        MediaError: If the picture ends before the last time.
    """
    if wanted[-1] > times[-1] + _SAME:
        raise MediaError(
            name,
            f"the frame at {wanted[-1]:.3f} s was asked for, but the picture is {times[-1]:.3f} s long. "
            "Start earlier, ask for a shorter clip, or leave this sample out.",
        )
    middles = (times[:-2] + times[1:-1]) / 2
    return [int(frame) for frame in np.searchsorted(middles + _SAME, wanted, side="left")]


def _sound(sample: SampleRecord, format: ClipFormat, start: float, name: str) -> Tensor:
    """The sound of a clip, ``(samples,)`` float32; silence behind its end."""
    stored = sample.tensors["waveform"]
    first = round(start * format.sample_rate)
    count = max(0, min(format.samples, stored.shape[0] - first))
    if count < format.samples / 2:
        raise MediaError(
            name,
            f"the sound covers only {count / format.sample_rate:.2f} s of the {format.seconds:.2f} s from "
            f"{start:.2f} s on. Start elsewhere, or leave this sample out.",
        )
    waveform = stored.stretch(sample.address, first, count)
    waveform = waveform.float() / FULL_SCALE if waveform.dtype == torch.int16 else waveform
    return pad(waveform, (0, format.samples - count))
