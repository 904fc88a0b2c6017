"""The data set: which clips there are, and how each is made."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from asva_lightning.data.synthsync.canvas import Canvas
from asva_lightning.data.synthsync.clip import SynthClip
from asva_lightning.data.synthsync.colours import background, palette
from asva_lightning.data.synthsync.kinds import KINDS, Kind
from asva_lightning.data.synthsync.shapes import Array
from asva_lightning.data.synthsync.tones import in_a_room
from asva_lightning.data.synthsync.track import EventTrack
from asva_lightning.errors import ConfigurationError

SHORTEST, LONGEST = 6.5, 8.0
SMALLEST_SIDE = 24
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class SynthSync:
    """Clips of 6.5 to 8 s in which one object moves and sounds, at times that are known exactly.

    A clip is a function of these settings, its split and its index: no file is read and nothing is stored. The
    kinds take turns, so that every split has as many clips of one as of another. Splits share no clip.

    Args:
        kinds: Names of the kinds of objects to use.
        train: Number of clips for training.
        validation: Number of clips for validation.
        test: Number of clips for the test.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
        fps: Frames a second.
        two_objects: Share of clips with a second object of another kind, which neither moves nor sounds. It has no
            effect where ``kinds`` names one kind only.
        seed: Another seed gives another data set.

    Raises:
        ConfigurationError: If a kind is unknown or a number is out of range.
    """

    kinds: tuple[str, ...] | list[str] = tuple(kind.name for kind in KINDS)
    train: int = 240
    validation: int = 32
    test: int = 96
    height: int = 64
    width: int = 64
    fps: float = 30.0
    two_objects: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))
        known = [kind.name for kind in KINDS]
        unknown = [name for name in self.kinds if name not in known]
        if unknown or not self.kinds:
            met = f"does not know {', '.join(map(repr, unknown))}" if unknown else "needs at least one kind"
            raise ConfigurationError(f"SynthSync {met}. Set its kinds to some of: {', '.join(known)}.")
        if len(set(self.kinds)) < len(self.kinds):
            raise ConfigurationError(
                f"SynthSync was given a kind twice in {list(self.kinds)}. Name each once in kinds."
            )
        for name, least in (("train", 0), ("validation", 0), ("test", 0), ("seed", 0), ("fps", 6)):
            if getattr(self, name) < least:
                raise ConfigurationError(f"SynthSync needs {name} >= {least}, not {getattr(self, name)}.")
        if min(self.height, self.width) < SMALLEST_SIDE:
            size = f"{self.height} x {self.width}"
            raise ConfigurationError(
                f"SynthSync cannot draw pictures of {size} pixels. Set height and width to {SMALLEST_SIDE} or more."
            )
        if not 0 <= self.two_objects <= 1:
            raise ConfigurationError(f"SynthSync's two_objects is a share of clips in [0, 1], not {self.two_objects}.")

    @property
    def splits(self) -> dict[str, int]:
        """Number of clips of each split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def texts(self) -> dict[str, str]:
        """Class text of each kind."""
        return {kind.name: kind.text for kind in self._kinds}

    def key(self, split: str, index: int) -> str:
        """Name of a clip: its kind and a number that runs through all splits, so that no two clips share it."""
        number = self._split_number(split, index)
        before = sum(list(self.splits.values())[:number])
        return f"{self.kinds[index % len(self.kinds)]}_{before + index:06d}"

    def render(self, split: str, index: int) -> SynthClip:
        """Make one clip.

        Args:
            split: ``train``, ``validation`` or ``test``.
            index: Place of the clip in its split, from 0.

        Returns:
            Picture, sound, and all that is known about them.

        Raises:
            ConfigurationError: If there is no such split or no such clip in it.
        """
        number = self._split_number(split, index)
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, number, index]))
        kind = self._kinds[index % len(self._kinds)]
        frames = round(rng.uniform(SHORTEST, LONGEST) * self.fps)
        seconds = frames / self.fps
        track = kind.track(rng, seconds, frames)
        waveform = in_a_room(rng, kind.sound(rng, track, seconds))
        tracks = self._cast(rng, kind, track)
        pixels, boxes = self._draw(rng, tracks, frames)
        objects: list[dict[str, Any]] = [
            {"kind": drawn.name, "box": list(box), "sounds": drawn is kind} for (drawn, _), box in zip(tracks, boxes)
        ]
        return SynthClip(
            key=self.key(split, index),
            kind=kind.name,
            text=kind.text,
            pixels=torch.from_numpy(pixels),
            waveform=torch.from_numpy(waveform),
            fps=self.fps,
            track=track,
            objects=objects,
        )

    @property
    def _kinds(self) -> list[Kind]:
        by_name = {kind.name: kind for kind in KINDS}
        return [by_name[name] for name in self.kinds]

    def _split_number(self, split: str, index: int) -> int:
        if split not in self.splits:
            raise ConfigurationError(f"SynthSync has no split {split!r}. Ask for one of: {', '.join(self.splits)}.")
        if not 0 <= index < self.splits[split]:
            raise ConfigurationError(
                f"SynthSync has no clip {index} in split {split!r}, which has {self.splits[split]}. Set {split} higher."
            )
        return list(self.splits).index(split)

    def _cast(self, rng: np.random.Generator, kind: Kind, track: EventTrack) -> list[tuple[Kind, EventTrack]]:
        """Who is in the picture, from left to right, and what each does."""
        others = [other for other in self._kinds if other is not kind]
        if not others or rng.uniform() >= self.two_objects:
            return [(kind, track)]
        silent = others[rng.integers(len(others))]
        both = [(kind, track), (silent, silent.rest(rng))]
        return both if rng.integers(2) else both[::-1]

    def _draw(
        self, rng: np.random.Generator, tracks: list[tuple[Kind, EventTrack]], frames: int
    ) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], list[Box]]:
        night = bool(rng.integers(2)) or any(kind.night for kind, _ in tracks)
        still = background(rng, self.height, self.width, night)
        pixels = np.repeat(_to_bytes(still)[:, None], frames, axis=1)
        times = (np.arange(frames) / self.fps).astype(np.float32)
        boxes = []
        for place, (kind, track) in enumerate(tracks):
            left, top, right, bottom = box = self._box(rng, place, len(tracks))
            canvas = Canvas(still[:, top:bottom, left:right], times, mirror=bool(rng.integers(2)))
            kind.draw(canvas, palette(rng, night), track)
            pixels[:, :, top:bottom, left:right] = _to_bytes(canvas.pixels)
            boxes.append(box)
        return pixels, boxes

    def _box(self, rng: np.random.Generator, place: int, count: int) -> Box:
        """A square for one object, somewhere in its share of the picture's width."""
        room = self.width // count
        side = int(min(self.height, room) * rng.uniform(0.85, 1.0))
        left = place * room + int(rng.uniform() * (room - side + 1))
        top = int(rng.uniform() * (self.height - side + 1))
        return left, top, left + side, top + side


def _to_bytes(picture: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return (picture * 255 + 0.5).astype(np.uint8)
