"""One synthetic clip with all that is known about it."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from asva_lightning.data.synthsync.track import EventTrack
from asva_lightning.media.format import ClipFormat


@dataclass(frozen=True, eq=False)
class SynthClip:
    """A clip in memory.

    Args:
        key: Unique name of the clip in its data set.
        kind: Name of the kind that sounds.
        text: Class text of that kind.
        pixels: ``(3, f, h, w)`` uint8; frame ``f`` is shown at ``f / fps`` seconds.
        waveform: ``(samples,)`` float32 in [-1, 1], at ``ClipFormat.sample_rate``.
        fps: Frames a second.
        track: What happens when.
        objects: For each object from left to right: its ``kind``, its ``box`` (left, top, right, bottom, in pixels)
            and whether it ``sounds``.
    """

    key: str
    kind: str
    text: str
    pixels: Tensor
    waveform: Tensor
    fps: float
    track: EventTrack
    objects: list[dict[str, Any]]

    @property
    def lead(self) -> float:
        """By how many seconds the motion comes before its sound."""
        return self.track.lead

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return self.pixels.shape[1] / self.fps

    def description(self) -> dict[str, Any]:
        """All but picture and sound, as values that JSON can hold."""
        track = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.track).items()}
        return {
            "key": self.key,
            "kind": self.kind,
            "text": self.text,
            "fps": self.fps,
            "frames": self.pixels.shape[1],
            "height": self.pixels.shape[2],
            "width": self.pixels.shape[3],
            "seconds": self.seconds,
            "sample_rate": ClipFormat.sample_rate,
            **track,
            "objects": self.objects,
        }
