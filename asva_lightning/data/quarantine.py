"""The list of clips that an earlier run could not read."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asva_lightning.data.manifest import SampleRecord
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import read_json_lines

logger = logging.getLogger(__name__)

Place = tuple[str, str]


@dataclass(frozen=True)
class Quarantine:
    """Clips that are not opened: their places are taken by the same substitutes as if they had been met and were bad.

    So a run that is given the list of an earlier run sees the same clips as that run, and a list may grow in the middle
    of a run without moving any other clip.

    Args:
        places: Data set folder and shard by name, and key, of each clip.
    """

    places: frozenset[tuple[Place, str]] = frozenset()

    @classmethod
    def read(cls, path: str | Path) -> "Quarantine":
        """Read a list such as ``bad_clips.jsonl`` of a run folder: JSON lines with ``shard`` and ``key``.

        Raises:
            ConfigurationError: If there is no such file, it holds something else, or a line names no clip.
        """
        if not Path(path).is_file():
            raise ConfigurationError(
                f"The quarantine list {path} does not exist. Give the bad_clips.jsonl of a run folder as "
                "--data.quarantine, or leave it out."
            )
        places = set()
        entries = read_json_lines(Path(path))
        lines = sum(bool(line.strip()) for line in Path(path).read_bytes().split(b"\n"))
        if lines > 2 * len(entries):  # a stopped run leaves a torn line or two, which is no harm
            raise ConfigurationError(
                f"{path} is no quarantine list: {lines - len(entries)} of its {lines} lines are no JSON objects. Give "
                'lines such as {"shard": "clips/train-000000.tar", "key": "dog/1"}, as in the bad_clips.jsonl of a run '
                "folder."
            )
        for number, line in enumerate(entries, start=1):
            shard, key = line.get("shard"), line.get("key")
            if not (isinstance(shard, str) and isinstance(key, str)):
                raise ConfigurationError(
                    f"{path}, entry {number} names no clip: it needs the texts 'shard' and 'key', as in the "
                    "bad_clips.jsonl of a run folder."
                )
            places.add((_place(shard), key))
        return cls(frozenset(places))

    def holds(self, shard: str, key: str) -> bool:
        """Whether a clip is on the list."""
        return bool(self.places) and (_place(shard), key) in self.places

    def __contains__(self, sample: SampleRecord) -> bool:
        return self.holds(sample.address, sample.key)

    def count(self, samples: Iterable[SampleRecord]) -> int:
        """How many of some samples, those of a split, are on the list; entries that cannot be meant are warned of."""
        if not self.places:
            return 0
        names = [(_place(sample.address), sample.key) for sample in samples]
        self._warn_of_strangers(set(names))
        return sum(name in self.places for name in names)

    def _warn_of_strangers(self, known: set[tuple[Place, str]]) -> None:
        """Warn where no data set has the name that the list names, or a shard lacks keys; other splits are unknown."""
        shards = {place for place, _ in known}
        folders, listed = {folder for folder, _ in shards}, {folder for (folder, _), _ in self.places}
        if not listed & folders:
            _warn(f"names clips of {', '.join(sorted(listed))}, but none of {', '.join(sorted(folders))}")
        lost = sorted(key for place, key in self.places - known if place in shards)
        if lost:
            _warn(f"names {len(lost)} clips that their shards do not hold, or that are too short, such as {lost[0]}")


@cache
def _warn(what: str) -> None:
    """Warn once for each process."""
    logger.warning("The quarantine list %s. A clip is known by its key, and the names of its shard and folder.", what)


def _place(address: str) -> Place:
    """The last two names of an address, so that a data set may be moved as a whole."""
    folder, _, name = address.rpartition("/")
    return folder.rpartition("/")[2], name
