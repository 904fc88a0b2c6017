"""The list of clips that an earlier run could not read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asva_lightning.data.manifest import SampleRecord
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import read_json_lines

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
            ConfigurationError: If there is no such file, or a line names no clip.
        """
        if not Path(path).is_file():
            raise ConfigurationError(
                f"The quarantine list {path} does not exist. Give the bad_clips.jsonl of a run folder as "
                "--data.quarantine, or leave it out."
            )
        places = set()
        for number, line in enumerate(read_json_lines(Path(path)), start=1):
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
        """How many of some samples are on the list."""
        return sum(sample in self for sample in samples)


def _place(address: str) -> Place:
    """The last two names of an address, so that a data set may be moved as a whole."""
    folder, _, name = address.rpartition("/")
    return folder.rpartition("/")[2], name
