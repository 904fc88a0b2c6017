"""One clip of any system, as the measures see it."""

from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.metrics.analysis import AnalysedPicture, AnalysedSound


@dataclass(frozen=True)
class EvaluatedClip:
    """A clip to be judged, and the truth that it may be compared with.

    What several measures ask of it (motion, flow, onsets) is computed once and kept as long as the clip.

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

    @cached_property
    def picture(self) -> AnalysedPicture:
        """The frames as a batch of one, with what is known of their motion."""
        return AnalysedPicture(self.pixels[None])

    def sound(self, sample_rate: int) -> AnalysedSound:
        """The sound as a batch of one, with what is known of its onsets.

        Args:
            sample_rate: Samples a second of the waveform.
        """
        return self._sounds.setdefault(sample_rate, AnalysedSound(self.waveform[None], sample_rate))

    def true_picture(self, asked_by: str) -> AnalysedPicture:
        """The true frames as a batch of one, with what is known of their motion.

        Args:
            asked_by: Name of the measure that needs them, for the message.

        Raises:
            ConfigurationError: If the clip has no reference.
        """
        if self._true_picture is None:
            raise ConfigurationError(
                f"{asked_by} needs the truth beside the sample, and clip {self.key!r} has none. "
                "Give the folder of true clips, or leave this measure out."
            )
        return self._true_picture

    def with_sound(self, waveform: Tensor) -> "EvaluatedClip":
        """The same frames with another sound ``(samples,)``; what is known of the frames is shared."""
        other = replace(self, waveform=waveform)
        vars(other).update(picture=self.picture, _true_picture=self._true_picture)
        return other

    @cached_property
    def _true_picture(self) -> AnalysedPicture | None:
        return None if self.reference is None else AnalysedPicture(self.reference[None])

    @cached_property
    def _sounds(self) -> dict[int, AnalysedSound]:
        return {}
