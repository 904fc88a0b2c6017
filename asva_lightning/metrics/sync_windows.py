"""Clips that are cut from one longer clip, each a little later than the one before."""

from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat

COLUMNS = 204
"""Columns of the log-mel picture of a window of 2 s, in the release."""

COLUMNS_PER_SECOND = 100

SAME = 1e-6
"""Differences in seconds, or parts of a frame, that are rounding."""


@dataclass(frozen=True)
class ShiftedWindows:
    """How many windows, how far apart, and what one window is.

    Args:
        count: Number of windows.
        shift: Seconds from one window to the next.
        frames: Frames of a window.
        fps: Frames a second of a window.

    Raises:
        ConfigurationError: If a value is not positive.
    """

    count: int = 21
    shift: float = 0.2
    frames: int = ClipFormat.frames
    fps: float = ClipFormat.fps

    def __post_init__(self) -> None:
        for name in ("count", "shift", "frames", "fps"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Shifted windows need {name} > 0, not {getattr(self, name)}.")

    @property
    def seconds(self) -> float:
        """Length of one window."""
        return self.frames / self.fps

    @property
    def columns(self) -> int:
        """Columns of 10 ms of the log-mel picture of a window: 204 as in the release, more of one above 2.04 s."""
        return max(COLUMNS, int(COLUMNS_PER_SECOND * self.seconds))

    @property
    def span(self) -> float:
        """Seconds from the start of the first window to the end of the last."""
        return self.seconds + (self.count - 1) * self.shift

    def require(self, format: ClipFormat) -> None:
        """Check that all windows lie in a clip of this format.

        Raises:
            ConfigurationError: If they do not.
        """
        if self.span > format.seconds + SAME:
            least = -int(-(self.span * format.fps - SAME) // 1)
            raise ConfigurationError(
                f"{self.count} windows of {self.seconds:g} s, {self.shift:g} s apart, span {self.span:g} s, but a clip "
                f"of {format.frames} frames at {format.fps:g} a second has {format.seconds:g} s. Set "
                f"--data.format.frames to at least {least}, or count or shift lower."
            )

    def starts(self, format: ClipFormat) -> tuple[float, ...]:
        """Seconds into a clip of this format at which the windows start, so that together they lie in its middle."""
        first = (format.seconds - self.span) / 2
        return tuple(first + number * self.shift for number in range(self.count))

    def cut_video(self, video: Tensor, format: ClipFormat) -> Tensor:
        """Take the windows' frames, for each time the nearest (the earlier of two equally near).

        Args:
            video: Clips ``(b, channels, f, h, w)`` of this format, in any type.
            format: What the clips are.

        Returns:
            ``(b, count, channels, frames, h, w)``.

        Raises:
            ConfigurationError: If the windows do not fit into the clips.
        """
        self.require(format)
        starts = torch.tensor(self.starts(format), dtype=torch.float64)
        times = starts[:, None] + torch.arange(self.frames, dtype=torch.float64) / self.fps
        nearest = (times * format.fps + 0.5 - SAME).floor().long().clamp(0, format.frames - 1)
        return video[:, :, nearest.to(video.device)].transpose(1, 2)

    def cut_sound(self, waveform: Tensor, format: ClipFormat) -> Tensor:
        """Take the windows' sound.

        Args:
            waveform: Sounds of clips of this format, ``(b, samples)``.
            format: What the clips are.

        Returns:
            ``(b, count, samples of a window)``.

        Raises:
            ConfigurationError: If the windows do not fit into the clips.
        """
        self.require(format)
        samples = round(self.seconds * format.sample_rate)
        # Rounding may put the last start one sample too late.
        latest = waveform.shape[-1] - samples
        firsts = [min(max(0, round(start * format.sample_rate)), latest) for start in self.starts(format)]
        return torch.stack([waveform[:, first : first + samples] for first in firsts], dim=1)
