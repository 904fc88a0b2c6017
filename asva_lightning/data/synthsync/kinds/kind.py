"""What a kind of object must bring along."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.colours import Palette
from asva_lightning.data.synthsync.shapes import Array
from asva_lightning.data.synthsync.track import EventTrack


class Kind(ABC):
    """One sort of object that moves and sounds.

    A new kind is a subclass in a file of its own and one more entry in ``KINDS``.

    Attributes:
        name: Its name in recipes and keys.
        text: The class text of its clips.
        night: Whether it shines and so needs a dark background.
    """

    name: ClassVar[str]
    text: ClassVar[str]
    night: ClassVar[bool] = False

    @abstractmethod
    def track(self, rng: np.random.Generator, seconds: float, frames: int) -> EventTrack:
        """Draw what happens in a clip of this length."""

    def rest(self, rng: np.random.Generator) -> EventTrack:
        """Draw the state of an object that does nothing all the time."""
        return EventTrack()

    @abstractmethod
    def draw(self, canvas: Canvas, palette: Palette, track: EventTrack) -> None:
        """Paint all frames of the object."""

    @abstractmethod
    def sound(self, rng: np.random.Generator, track: EventTrack, seconds: float) -> Array:
        """Make the sound, ``(samples,)``, at any level."""
