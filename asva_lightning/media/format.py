"""The shape of a clip in time and space, given once in a recipe."""

from dataclasses import dataclass

from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class ClipFormat:
    """What one clip is; the defaults are those of the method at full size.

    Args:
        frames: Number of frames; frame ``f`` is shown at ``f / fps`` seconds after the start of the clip.
        fps: Frames a second.
        height: Height of a frame in pixels.
        width: Width of a frame in pixels.
        sample_rate: Samples of sound a second (mono).

    Raises:
        ConfigurationError: If a value is not positive.
    """

    frames: int = 12
    fps: float = 6.0
    height: int = 256
    width: int = 256
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        for name in ("frames", "fps", "height", "width", "sample_rate"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigurationError(f"The clip format needs {name} > 0, not {value}. Set format.{name}.")

    @property
    def seconds(self) -> float:
        """Length of the clip: every frame is shown for ``1 / fps`` seconds."""
        return self.frames / self.fps

    @property
    def samples(self) -> int:
        """Number of samples of the clip's sound."""
        return round(self.seconds * self.sample_rate)

    @property
    def times(self) -> tuple[float, ...]:
        """When each frame is shown, in seconds after the start of the clip."""
        return tuple(frame / self.fps for frame in range(self.frames))
