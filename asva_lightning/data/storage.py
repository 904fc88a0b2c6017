"""Where shards lie: on disk, or at any address that fsspec opens; and bytes at a place of a file."""

import glob
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from asva_lightning.data.remote import RemoteFile, retried
from asva_lightning.errors import ConfigurationError, ShardsError

logger = logging.getLogger(__name__)

INSTALL = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""What serves the addresses of a scheme and does not come with this package."""


def is_remote(address: str) -> bool:
    """Whether an address is one for fsspec, such as ``s3://bucket/clips``, and not a path on this machine."""
    return "://" in address


def join(folder: str, name: str) -> str:
    """The address of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


def split_name(address: str) -> tuple[str, str]:
    """The folder of a file, and its name."""
    folder, _, name = address.rpartition("/")
    return folder or ("/" if address.startswith("/") else "."), name


def check_address(address: str) -> None:
    """Refuse addresses that cannot be read, before anything costs time.

    Raises:
        ConfigurationError: If reading would run a command, or nobody here serves such addresses.
    """
    if address.startswith("pipe:"):
        raise ConfigurationError(
            f"{address!r} would run a command, which a recipe must not do. Give a folder of shards, tars such as "
            "'clips/train-{000000..000011}.tar', or an address that begins with https://, s3:// or gs://."
        )
    if is_remote(address):
        filesystem(address)


def filesystem(address: str) -> tuple[Any, str]:
    """The file system of fsspec that serves an address, and the path in it.

    It is looked up for every use: its connections must not be carried into another process, and fsspec keeps one for
    each.

    Raises:
        ConfigurationError: If nobody here serves such addresses.
    """
    from fsspec.core import url_to_fs

    scheme = address.partition("://")[0].rpartition("::")[2]
    try:
        served, path = url_to_fs(address)
    except ImportError as error:
        raise ConfigurationError(
            f"{address} needs another package: pip install {INSTALL.get(scheme, 'what fsspec asks for')} ({error})."
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"{address} is no address of shards ({error}). Give a folder, or an address that begins with https://, "
            "s3:// or gs://."
        ) from error
    return served, cast(str, path)


def read_bytes(address: str, offset: int = 0, size: int | None = None) -> bytes:
    """Bytes of a file: all, or ``size`` from ``offset`` on, fewer where it ends before.

    Raises:
        OSError: If the file is not there or cannot be read, a remote one after some attempts.
    """
    if not is_remote(address):
        with open(address, "rb") as file:
            file.seek(offset)
            return file.read(size)
    served, path = filesystem(address)
    if size is None:
        return cast(bytes, retried(lambda: served.cat_file(path), address))
    content = cast(bytes, retried(lambda: served.cat_file(path, start=offset, end=offset + size), address))
    if len(content) > size:  # some web servers send the whole file, whatever was asked for
        _warn_of_whole_files(address.rpartition("/")[0])
        content = content[offset : offset + size]
    return content


def open_file(address: str) -> IO[bytes]:
    """A file that is read from its beginning to its end.

    Raises:
        OSError: If the file is not there or cannot be read, a remote one after some attempts; also while it is read.
    """
    if not is_remote(address):
        return open(address, "rb")
    served, path = filesystem(address)
    return io.BufferedReader(RemoteFile(lambda: served.open(path, "rb"), address), 2**16)


def read_text(address: str) -> str:
    """The text of a file.

    Raises:
        ShardsError: If the file is not there, cannot be read, or is no UTF-8.
    """
    with _told(address):
        content = read_bytes(address)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ShardsError(f"{address} is no UTF-8 text ({error}). Build the shards again.") from error


def exists(address: str) -> bool:
    """Whether there is such a file.

    Raises:
        ShardsError: If that cannot be told: a server fails, a store refuses, a folder may not be entered. A web address
            that is refused is taken to be missing, as stores answer so where nothing is.
    """
    with _told(address):
        if not is_remote(address):
            return Path(address).is_file()
        served, path = filesystem(address)
        if not _is_web(address):
            return bool(retried(lambda: served.exists(path), address))
        try:
            # Not strict, fsspec takes a server that fails for one that does not have the file.
            return bool(retried(lambda: served.exists(path, strict=True), address))
        except FileNotFoundError:
            return False
        except PermissionError as error:
            logger.warning("%s. It is taken to be missing.", error)
            return False


def missing(folder: str, names: list[str]) -> list[str]:
    """Those of some files that a folder does not hold.

    A folder on disk or in an object store is listed. A web server cannot be relied on for that, and asking it for every
    file takes long: there the first and the last are looked for, and another that is missing is met when it is read.

    Raises:
        ShardsError: If the folder cannot be looked into.
    """
    if _is_web(folder):
        return [name for name in sorted({names[0], names[-1]}) if not exists(join(folder, name))]
    with _told(folder):
        if not is_remote(folder):
            return [name for name in names if not Path(join(folder, name)).is_file()]
        served, path = filesystem(folder)
        listed = cast(list[str], retried(lambda: served.ls(path, detail=False), folder))
    held = {entry.rpartition("/")[2] for entry in listed}
    return [name for name in names if name not in held]


def size_of(address: str) -> int:
    """How many bytes a file has.

    Raises:
        ShardsError: If it is not there or cannot be asked for.
    """
    with _told(address):
        if not is_remote(address):
            return Path(address).stat().st_size
        served, path = filesystem(address)
        return int(retried(lambda: served.size(path), address) or 0)


def expand(pattern: str) -> list[str]:
    """The addresses that a pattern stands for: ``{000..123}`` and ``{a,b}`` count, ``*``, ``?`` and ``[...]`` look.

    Raises:
        ConfigurationError: If the braces do not fit, or the address cannot be read.
        ShardsError: If nothing is found, or the folder cannot be looked into.
    """
    from braceexpand import braceexpand

    check_address(pattern)
    with _told(pattern):
        if not is_remote(pattern) and Path(pattern).exists():  # a name may hold any of these characters
            return [pattern]
    try:
        named = list(braceexpand(pattern))
    except ValueError as error:
        raise ConfigurationError(f"The braces of {pattern!r} do not fit: {error}.") from error
    found: list[str] = []
    for address in named:
        matches = _glob(address) if set("*" if _is_web(address) else "*?[") & set(address) else [address]
        if not matches:
            raise ShardsError(f"No file fits {address!r}. Look for the shards with `ls`, or correct --data.shards.")
        found += matches
    return found


def _is_web(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _glob(address: str) -> list[str]:
    if not is_remote(address):
        return sorted(glob.glob(address))
    served, path = filesystem(address)
    if _is_web(address):
        raise ConfigurationError(
            f"{address!r}: a web server lists no files. Name the shards with braces: train-{{000000..000011}}.tar."
        )
    with _told(address):
        found = retried(lambda: served.glob(path), address)
    return [str(served.unstrip_protocol(name)) for name in sorted(found)]


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Make errors of the system those of a reader at the terminal, who is told what to do.

    Raises:
        ShardsError: In their place.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            advice = "Correct the address in --data.shards, or build the shards again."
        elif isinstance(error, PermissionError) and is_remote(address):
            advice = (
                "Check the address, and that this machine may read there: s3:// takes credentials from where "
                "`aws configure` puts them, gs:// from where `gcloud auth application-default login` does."
            )
        elif isinstance(error, PermissionError):
            advice = "Change its permissions, or copy the shards to where they may be read."
        else:
            advice = "Check the address and the connection, then start again."
        message = str(error) if is_remote(address) else f"{address} cannot be read: {error.strerror or error}"
        raise ShardsError(f"{message}. {advice}") from error


@cache
def _warn_of_whole_files(folder: str) -> None:
    """Warn once for each folder and process."""
    logger.warning(
        "The server of %s sends whole shards where parts are asked for, which is slow. Copy the shards to a disk.",
        folder,
    )
