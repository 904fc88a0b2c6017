"""Anatomy: which parts of AVSyncD a network has."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class Anatomy:
    """Switches of the network's parts, for ablations; the defaults are the method (AVSyncD, ECCV 2024).

    A part that is switched off has no parameters and costs nothing. Without ``audio``, training and sampling do not
    encode the sound either.

    Args:
        audio: Audio cross-attention, the new layers that hear.
        text: Text cross-attention.
        temporal_attention: Self-attention of each pixel over the frames, with its embedding of the frame's number.
        first_frame_attention: Spatial attention looks at the first frame only. Switched off, each frame looks at
            itself, as in Stable Diffusion; there are as many parameters.
        temporal_convolution: The lookup that follows every convolution.
        first_frame_lookup: That lookup sees the first frame, besides the previous and the same one.
        frame_times: An embedding of each frame's time is added to that of the noise level, for frames that are not
            evenly spaced (KeyVID, 2025); it starts at zero. See :attr:`Conditions.frame_times`.

    Raises:
        ConfigurationError: If switches contradict each other.
    """

    audio: bool = True
    text: bool = True
    temporal_attention: bool = True
    first_frame_attention: bool = True
    temporal_convolution: bool = True
    first_frame_lookup: bool = True
    frame_times: bool = False

    def __post_init__(self) -> None:
        if not self.temporal_convolution and not self.first_frame_lookup:
            raise ConfigurationError(
                "anatomy.first_frame_lookup is a part of the temporal convolution, which anatomy.temporal_convolution "
                "switches off altogether. Set one of the two to true."
            )

    @property
    def added(self) -> bool:
        """Whether anything is left of what the method adds to Stable Diffusion and trains."""
        return self.audio or self.temporal_attention or self.temporal_convolution or self.frame_times

    @property
    def departures(self) -> tuple[str, ...]:
        """Names of the switches that are not as in the method."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != field.default)


METHOD = Anatomy()


def anatomy_of(value: Anatomy | Mapping[str, Any] | None) -> Anatomy:
    """An anatomy as a recipe or a ``config.json`` gives it; the method's where it says nothing.

    Raises:
        ConfigurationError: If a switch is unknown or is neither true nor false.
    """
    if value is None or isinstance(value, Anatomy):
        return value or METHOD
    known = [field.name for field in fields(Anatomy)]
    for name, switch in value.items():
        if name not in known:
            raise ConfigurationError(f"The network has no part {name!r}; its anatomy knows: {', '.join(known)}.")
        if not isinstance(switch, bool):
            raise ConfigurationError(f"anatomy.{name} is true or false, not {switch!r}.")
    return Anatomy(**value)
