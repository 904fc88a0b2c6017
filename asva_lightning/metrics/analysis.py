"""What several measures ask of the same clip, computed once: motion, flow, and the beginnings of sounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.flow import flow_curve
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.onsets import Flux, onset_times_of, spectral_flux


@dataclass(frozen=True, eq=False)
class AnalysedPicture:
    """The frames of clips, and how they move; each curve is computed when it is first asked for.

    Args:
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
    """

    pixels: Tensor

    @cached_property
    def motion(self) -> Tensor:
        """:func:`motion_curve`, ``(b, f - 1)``."""
        return motion_curve(self.pixels)

    @cached_property
    def flow(self) -> Tensor:
        """:func:`flow_curve`, ``(b, f - 1)``."""
        return flow_curve(self.pixels)


@dataclass(frozen=True, eq=False)
class AnalysedSound:
    """The sound of clips, and where it rises.

    Args:
        waveform: Mono sound in [-1, 1], ``(b, samples)``.
        sample_rate: Samples a second.
    """

    waveform: Tensor
    sample_rate: int

    @cached_property
    def flux(self) -> Flux:
        """:func:`spectral_flux`."""
        return spectral_flux(self.waveform, self.sample_rate)

    @cached_property
    def onsets(self) -> Sequence[Tensor]:
        """Times of :func:`onset_times` with its defaults, one tensor for each clip."""
        return onset_times_of(self.flux)


@dataclass(frozen=True, eq=False)
class AnalysedClips:
    """Picture and sound of a batch of clips, as the measures of synchrony see them.

    Args:
        picture: The frames.
        sound: The sound.
        fps: Frames a second.

    Raises:
        ConfigurationError: If there are more or fewer sounds than pictures, the frame rate is not above 0, or the sound
            ends before the last step of the frames begins.
    """

    picture: AnalysedPicture
    sound: AnalysedSound
    fps: float

    def __post_init__(self) -> None:
        if len(self.picture.pixels) != len(self.sound.waveform):
            raise ConfigurationError(
                f"There are {len(self.sound.waveform)} sounds for {len(self.picture.pixels)} clips. Give one sound for "
                "each clip: (b, samples) and (b, 3, f, h, w)."
            )
        if not self.fps > 0:
            raise ConfigurationError(f"Clips need fps > 0, not {self.fps}. Give the frames a second of the clips.")
        self._check_lengths()

    def _check_lengths(self) -> None:
        """A sound that is too short is mostly one whose sample rate is told wrong."""
        pixels, waveform, rate = self.picture.pixels, self.sound.waveform, self.sound.sample_rate
        if pixels.ndim != 5 or waveform.ndim != 2:
            return  # what looks at them tells better
        frames, samples = pixels.shape[2], waveform.shape[1]
        if samples * self.fps < (frames - 2) * rate:
            raise ConfigurationError(
                f"The sound lasts {samples / rate:.2f} s and the frames {frames / self.fps:.2f} s. Give the sound of "
                "the whole clip, and check fps and the sample rate."
            )
