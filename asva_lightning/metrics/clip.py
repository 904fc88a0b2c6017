"""One clip of any system, as the measures see it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class EvaluatedClip:
    """A clip to be judged, and the truth that it may be compared with.

    Args:
        key: Name of the clip, unique among those that are scored together.
        pixels: RGB frames ``(3, f, h, w)``, uint8.
        waveform: Mono sound in [-1, 1], ``(samples,)``.
        text: Class text.
        reference: The true frames for the same sound, ``(3, f, h, w)`` uint8; None where there are none.
    """

    key: str
    pixels: Tensor
    waveform: Tensor
    text: str
    reference: Tensor | None = None
