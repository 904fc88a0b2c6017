"""Files that are never seen half written: whole files by replacement, JSON lines by appending."""

import errno
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


@contextmanager
def replace(path: Path) -> Iterator[Path]:
    """Lend a temporary path in the same folder; on a clean exit it takes the place of ``path``.

    For writers that want a path of their own, such as a video encoder. If the block raises, ``path`` stays as it was.

    Args:
        path: The file to create or replace. Missing parent folders are made.

    Yields:
        A path with the same suffix, beginning with a dot, that nobody else uses.

    Raises:
        OSError: If the file or its folder cannot be made, or the file not be replaced; it names which.
    """
    _make_parent(path)
    with _naming(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}.", suffix=f".tmp{path.suffix}")
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with _naming(path):
            temporary.chmod(0o666 & ~_umask())
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file so that a reader sees the old content or the new, never a part."""
    with replace(path) as temporary, _naming(path):
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 text file so that a reader sees the old content or the new, never a part."""
    write_bytes(path, content.encode())


def append_line(path: Path, line: str) -> None:
    """Append one line in a single write; a torn line left by a killed process is closed off first.

    Args:
        path: The file; it and its parent folders are made where missing.
        line: Text without a line break.
    """
    _make_parent(path)
    with _naming(path):
        _append(path, line)


def _append(path: Path, line: str) -> None:
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        file.write(b"\n" * torn + line.encode() + b"\n")


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line; a line that is torn counts as never written.

    Args:
        path: The file; a missing one has no lines.

    Returns:
        The objects in the order of the file.
    """
    if not path.exists():
        return []
    objects = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if isinstance(content, dict):
            objects.append(content)
        else:
            logger.warning("%s: line %d is torn and was left out.", path, number)
    return objects


def media_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """All files of some kinds below a folder, sorted; links are followed, but no folder is taken twice.

    Files whose names begin with a dot are left out: some systems put one of their own beside each file (``._1.mp4``).

    Args:
        folder: Where to look.
        suffixes: What they end in, in small letters with the dot; files may end in capital ones.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort(key=lambda name: (Path(place, name).is_symlink(), name))  # a folder goes before links to it
        visible = [name for name in names if not name.startswith(".")]
        found += [Path(place, name) for name in visible if Path(name).suffix.lower() in suffixes]
    return sorted(found)


def _make_parent(path: Path) -> None:
    """Make the folder of a file where it is missing.

    Raises:
        OSError: If it cannot be made; it names the folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # the name is taken by a file; that it exists is not what is wrong
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the system name the file that was asked for, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
