"""Which generated file belongs to which true clip: by whole names, never by order or by their beginning."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.references import Reference
from asva_lightning.evaluation.results import listed, some
from asva_lightning.files import media_files

CLIP_NAME = re.compile(r"(?P<name>.+)_clip-(?P<number>\d+)")
"""How the original calls its files: the number counts from 0."""

OWN_NAME = re.compile(r"(?P<key>.+)-(?P<start>\d+_\d\d)")
"""How ``predict`` calls its files: the key with dashes for slashes, and the start in seconds."""


@dataclass(frozen=True)
class Pairing:
    """A generated file and the stretch of a true clip that it should be like.

    Args:
        path: The file.
        reference: The true clip.
        number: Which of the clips that are spread over the true one; None where the start is given.
        start: Start in the true clip, in seconds; to two digits where the file's name gave it.
    """

    path: str
    reference: Reference
    number: int | None = None
    start: float = 0.0

    @property
    def key(self) -> str:
        """What the clip is called in results: the same for the files of every system."""
        if self.number is not None:
            return f"{self.reference.key}_clip-{self.number:02d}"
        return self.reference.key + (f"-{self.start:.2f}".replace(".", "_") if self.start else "")

    def place(self, clip_seconds: float, count: int) -> float:
        """Where in the true clip this one starts, in seconds.

        Args:
            clip_seconds: Length of a clip.
            count: How many clips are spread over a true one: they start at ``linspace(0, seconds - clip_seconds,
                count)``.

        Raises:
            MediaError: If the true clip cannot be read, or is too short.
        """
        if self.number is None and self.start == 0:
            return 0.0
        latest = self.reference.seconds - clip_seconds
        if latest < -1e-6:
            raise MediaError(
                self.reference.key,
                f"the true clip lasts {latest + clip_seconds:.2f} s, shorter than a clip of {clip_seconds:g} s. Leave "
                "it out, or set --format to shorter clips.",
            )
        if self.number is not None:
            return spread(latest, count)[self.number]
        exact = (start for turns in range(2, 11) for start in spread(latest, turns))
        return next((start for start in exact if abs(start - self.start) <= 0.005 + 1e-9), self.start)


@dataclass(frozen=True)
class Pairings:
    """All generated files of a folder, matched.

    Args:
        pairs: Those that belong to a true clip.
        missing: Names of files that should be there.
        extra: Files that belong to no true clip.
    """

    pairs: list[Pairing]
    missing: list[str]
    extra: list[str]

    def check(self, generated: str, reference: str, allow_partial: bool) -> None:
        """Refuse to score a part as if it were the whole.

        Args:
            generated: Where the generated files are, for the message.
            reference: Where the true clips are, for the message.
            allow_partial: Go on with what fits.

        Raises:
            ConfigurationError: If files are missing or extra and that is not allowed, or nothing fits.
        """
        faults = []
        if self.missing:
            faults.append(f"{some(len(self.missing), 'file')} missing: {listed(self.missing)}")
        if self.extra:
            faults.append(f"{some(len(self.extra), 'file')} without a true clip: {listed(self.extra)}")
        names = (
            "A generated file is called as its true clip, <name>.mp4, or <name>_clip-00.mp4 and so on for the clips "
            "that are spread over it (--clips_per_reference); one way for all files of a folder."
        )
        if not self.pairs:
            raise ConfigurationError(f"No file of {generated} fits a clip of {reference}. {names} {'; '.join(faults)}.")
        if faults and not allow_partial:
            raise ConfigurationError(
                f"{generated} does not fit {reference}: {'; '.join(faults)}. {names} Complete the folder, or score "
                "what fits with --allow_partial; the report then says so."
            )


def spread(latest: float, count: int) -> list[float]:
    """Starts of ``count`` clips, from 0 to ``latest``."""
    starts: list[float] = np.linspace(0, max(0.0, latest), count).tolist()
    return starts


def pair(generated: str, references: Sequence[Reference], clips_per_reference: int = 3) -> Pairings:
    """Match the mp4 files of a folder with true clips; links to folders are followed.

    A file in a subfolder that is called as a class is looked for in this class; any other among all.

    Args:
        generated: The folder.
        references: The true clips.
        clips_per_reference: How many clips are spread over each true one, where names end in ``_clip-NN``.

    Returns:
        What fits, what is missing and what is too many. Where some names end in ``_clip-NN``, all others are too many.

    Raises:
        ConfigurationError: If there is no such folder or no file in it, a name fits several true clips, or two files
            are for the same.
    """
    folder = Path(generated)
    files = media_files(folder, {".mp4"})
    if not files:
        met = "is a file" if folder.is_file() else "holds no mp4 file" if folder.is_dir() else "does not exist"
        raise ConfigurationError(f"--generated {generated} {met}. Give the folder of the generated clips.")
    index = _Index(references)
    pairs, extra = [], []
    for path in files:
        found = index.find(path, folder)
        if found is None or (found.number is not None and found.number >= clips_per_reference):
            extra.append(path.relative_to(folder).as_posix())
        else:
            pairs.append(found)
    _check_unique(pairs)
    if any(one.number is not None for one in pairs):
        # One clip of a video beside three of another would weigh it otherwise, and nothing would seem to be missing.
        extra += [Path(one.path).relative_to(folder).as_posix() for one in pairs if one.number is None]
        pairs = [one for one in pairs if one.number is not None]
    return Pairings(pairs, _missing(pairs, references, clips_per_reference), extra)


class _Index:
    """True clips by name, however an accent is written in it: file systems differ in that."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self.by_key: dict[str, list[Reference]] = {}
        self.by_dashes: dict[str, list[Reference]] = {}
        self.by_name: dict[str, list[Reference]] = {}
        for reference in references:
            key = _composed(reference.key)
            self.by_key.setdefault(key, []).append(reference)
            self.by_dashes.setdefault(key.replace("/", "-"), []).append(reference)
            self.by_name.setdefault(_composed(reference.name), []).append(reference)
        self.classes = {key.rpartition("/")[0] for key in self.by_key}

    def find(self, path: Path, folder: Path) -> Pairing | None:
        """The true clip that a generated file below ``folder`` is called after; ``None`` if there is none."""
        parent = path.relative_to(folder).parent
        stem, category = (_composed(name.replace(".", "_")) for name in (path.stem, parent.name))
        whole = self._of_name(stem, category, path)
        if whole is not None:
            return Pairing(str(path), whole)
        clip = CLIP_NAME.fullmatch(stem)
        reference = self._of_name(clip["name"], category, path) if clip else None
        if clip and reference is not None:
            return Pairing(str(path), reference, number=int(clip["number"]))
        own = OWN_NAME.fullmatch(stem)
        reference = self._only(self.by_dashes.get(own["key"], []), path) if own else None
        if own and reference is not None:
            return Pairing(str(path), reference, start=float(own["start"].replace("_", ".")))
        return None

    def _of_name(self, name: str, category: str, path: Path) -> Reference | None:
        if f"{category}/{name}" in self.by_key:
            return self._only(self.by_key[f"{category}/{name}"], path)
        if category and category in self.classes:
            return None
        return self._only(self.by_name.get(name, []), path)

    @staticmethod
    def _only(found: Sequence[Reference], path: Path) -> Reference | None:
        if len(found) > 1:
            raise ConfigurationError(
                f"{path} could belong to {some(len(found), 'true clip')}: {listed([one.key for one in found])}. Put "
                "the generated files into one folder a class, called <name>.mp4 or <name>_clip-NN.mp4."
            )
        return found[0] if found else None


def _composed(name: str) -> str:
    """The name with each accent and its letter as one character (NFC)."""
    return unicodedata.normalize("NFC", name)


def _check_unique(pairs: Sequence[Pairing]) -> None:
    taken: dict[str, Pairing] = {}
    for one in pairs:
        other = taken.setdefault(one.key, one)
        if other is not one:
            raise ConfigurationError(
                f"{other.path} and {one.path} are for the same true clip {one.reference.key}. Remove one of them."
            )


def _missing(pairs: Sequence[Pairing], references: Sequence[Reference], clips_per_reference: int) -> list[str]:
    numbered = {(one.reference.key, one.number) for one in pairs if one.number is not None}
    if numbered:
        return [
            f"{reference.key}_clip-{number:02d}"
            for reference in references
            for number in range(clips_per_reference)
            if (reference.key, number) not in numbered
        ]
    placed = Counter(one.reference.key for one in pairs)
    most = max(placed.values(), default=1)
    return [
        reference.key + f" ({placed[reference.key]} of {most} clips)" * (most > 1)
        for reference in references
        if placed[reference.key] < most
    ]
