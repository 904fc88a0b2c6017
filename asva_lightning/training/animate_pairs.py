"""Many films at once: the pairs that a folder or a table names, and which of them need not be made again."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from asva_lightning.data.tables import read_table
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import read_json_lines, write_text
from asva_lightning.training.animate_jobs import Job

logger = logging.getLogger(__name__)

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
BOTH = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"}
"""Files that may give picture and sound."""
SOUNDS = BOTH | {
    ".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".mka", ".au", ".caf",
    ".ac3", ".amr",
}  # fmt: skip
"""Endings of files that have sound."""
TABLE = "pairs.csv"
"""The table of a folder; what ``follow --pairs`` writes is called so."""


def read_pairs(source: str, text: str | None) -> list[Job]:
    """The films that a folder or a table asks for.

    Args:
        source: A folder in which a picture and a sound share a name (a video is both), or one with a ``pairs.csv``; or
            a table with the columns ``image`` and ``audio``, and if wanted ``text`` and ``output``. The paths of a
            table are relative to it.
        text: Class text of all that name none.

    Raises:
        ConfigurationError: If there is no such list, it is empty, a column or cell is missing, two files of a folder
            fit one name, or an output would lie outside the folder of outputs.
        ShardsError: If the table cannot be read.
    """
    path = Path(source)
    if path.is_dir() and (path / TABLE).is_file():
        logger.info("%s is taken as the list of pairs.", path / TABLE)
        path = path / TABLE
    if path.is_dir():
        jobs = _pairs_of_folder(path, text)
    elif path.is_file():
        jobs = _pairs_of_table(path, text)
    else:
        raise ConfigurationError(f"--pairs {source} does not exist. Give a folder or a CSV file.")
    if not jobs:
        raise ConfigurationError(f"--pairs {source} names no pair of a picture and a sound.")
    return jobs


def forget_outdated(journal: Path, jobs: Sequence[Job], folder: Path) -> None:
    """Strike films out of the journal that are gone, or whose picture, sound or text is another now.

    Args:
        journal: The journal of an earlier start; it may be missing.
        jobs: What is asked for. What the journal says of other films stays.
        folder: Where the films are.
    """
    asked = {job.name: json.loads(json.dumps(job.origin)) for job in jobs}

    def holds(line: dict[str, Any]) -> bool:
        if line.get("key") not in asked or "result" not in line:
            return True
        files = line["result"].get("files", [])
        return line["result"].get("origin") == asked[line["key"]] and all((folder / name).is_file() for name in files)

    lines = read_json_lines(journal)
    kept = [line for line in lines if holds(line)]
    if len(kept) < len(lines):
        logger.info(
            "%d films are gone, or their picture, sound or text has changed: made again.", len(lines) - len(kept)
        )
        write_text(journal, "".join(json.dumps(line) + "\n" for line in kept))


def _pairs_of_folder(folder: Path, text: str | None) -> list[Job]:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    pictures = _by_stem(file for file in files if file.suffix.lower() in PICTURES)
    sounds = _by_stem(file for file in files if file.suffix.lower() in SOUNDS)
    stems = [stem for stem, sound in sounds.items() if stem in pictures or sound.suffix.lower() in BOTH]
    alone = [file for stem, file in {**sounds, **pictures}.items() if stem not in stems]
    others = [file for file in files if file.stem in pictures and file.suffix.lower() not in PICTURES | SOUNDS]
    for file in sorted(alone):
        lacking = "sound" if file.stem in pictures else "picture"
        logger.warning("%s is left out: no %s there has its name.", file, lacking)
    for file in (file for file in others if file.stem not in sounds):
        logger.warning("%s is left out: its ending is none of a sound.", file)
    return [Job(str(pictures.get(stem, sounds[stem])), str(sounds[stem]), text) for stem in stems]


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    """Files by their name without a suffix, which is to be of one."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        found[file.stem].append(file)
    for stem, same in found.items():
        if len(same) > 1:
            raise ConfigurationError(
                f"{same[0]} and {same[1]} share the name {stem!r}, so it is not known which is meant. Rename or remove "
                "one, or list the pairs in a CSV file."
            )
    return {stem: file for stem, (file,) in found.items()}


def _pairs_of_table(file: Path, text: str | None) -> list[Job]:
    rows = read_table(file)
    jobs = []
    for number, row in enumerate(rows, start=1):
        for column in ("image", "audio"):
            if column not in row:
                raise ConfigurationError(f"{file} has no column {column!r}; it has: {', '.join(row)}.")
            if row[column] is None:
                raise ConfigurationError(f"{file} has no {column} in row {number}. Name a file, or remove the row.")
        image, audio = (str(file.parent / str(row[column])) for column in ("image", "audio"))
        said, name = (str(row.get(column) or "") for column in ("text", "output"))
        jobs.append(Job(image, audio, said or text, _output(name, file, number)))
    return jobs


def _output(name: str, file: Path, number: int) -> str:
    """The name of a film without a suffix, within the folder of outputs."""
    stem = name[: -len(".mp4")] if name.lower().endswith(".mp4") else name
    if name and (Path(stem).is_absolute() or ".." in Path(stem).parts or not Path(stem).name):
        raise ConfigurationError(
            f"{file} names the output {name!r} in row {number}, which lies outside --output. Give a name alone."
        )
    return stem
