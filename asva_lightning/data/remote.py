"""Reading far away: what fails is tried again; what stays wrong is an error of the system, whichever library met it."""

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before a remote file that could not be read is tried again: a hiccup of the network is no bad clip."""

_FOREIGN = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)
"""Errors of the libraries behind fsspec that are no errors of the system."""

_BROKEN_CONNECTIONS = ("HTTPClientError", "ConnectionError", "IncompleteReadError")
"""Those of botocore that may pass; its others tell of missing credentials and wrong settings."""

_PASSING = (408, 425, 429)
"""Answers of a server from 400 to 499 that may be others a moment later."""


def failures() -> tuple[type[Exception], ...]:
    """What reading far away may raise: errors of the system, and those of the libraries that are loaded by now."""
    foreign = (getattr(sys.modules.get(module), name, None) for module, name in _FOREIGN)
    return (OSError, *(kind for kind in foreign if kind is not None))


def retried(read: Callable[[], Value], address: str) -> Value:
    """What a remote file system answers; one that fails is asked again after a while, unless its answer is final.

    Raises:
        FileNotFoundError: If the file is not there.
        PermissionError: If it may not be read, or credentials are missing.
        OSError: If no attempt succeeds.
    """
    for pause in PAUSES:
        try:
            return read()
        except failures() as error:
            if _is_final(_reason(error)):
                raise _of_the_system(error, address) from error
            logger.warning("%s cannot be read (%s); trying again in %g s.", address, _text(_reason(error)), pause)
            time.sleep(pause)
    try:
        return read()
    except failures() as error:
        raise _of_the_system(error, address) from error


class RemoteFile(io.RawIOBase):
    """A file far away; a read that fails is tried again at the same place, on a new connection.

    Args:
        opened: Opens the file.
        address: What to call it in messages.
    """

    def __init__(self, opened: Callable[[], Any], address: str) -> None:
        super().__init__()
        self._opened = opened
        self._address = address
        self._place = 0
        self._file: Any = retried(opened, address)

    def readable(self) -> bool:
        """Files far away are only read."""
        return True

    def seekable(self) -> bool:
        """Whether one can go to and fro; fsspec does not know the size of what can only be streamed."""
        return bool(self._file is None or (self._file.seekable() and getattr(self._file, "size", 0) is not None))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is read yet."""
        self._place = int(retried(lambda: self._there().seek(offset, whence), self._address))
        return self._place

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read what comes next.

        Raises:
            OSError: If it cannot be read, after some attempts.
        """
        content = retried(lambda: self._read(len(buffer)), self._address)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def readall(self) -> bytes:
        """The rest of the file, in pieces larger than Python's own."""
        return b"".join(iter(lambda: self.read(2**20) or b"", b""))

    def close(self) -> None:
        """Give the connection back."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _read(self, size: int) -> bytes:
        file = self._there()
        try:
            content: bytes = file.read(size)
        except failures():
            self._file = None
            file.close()
            raise
        return content

    def _there(self) -> Any:
        """The file at the place of the next byte; opened again, and passed over up to there, if it broke off."""
        if self._file is None:
            file = self._opened()
            if getattr(file, "size", 0) is not None:
                file.seek(self._place)
            else:
                passed = 0
                while passed < self._place and (piece := file.read(min(2**20, self._place - passed))):
                    passed += len(piece)
            self._file = file
        return self._file


def _reason(error: BaseException) -> BaseException:
    """What is behind an error: fsspec says of whatever goes wrong with a web server that the file is not there."""
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, failures()):
        return error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    """The number that a server answered with."""
    for name in ("status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def _is_final(error: BaseException) -> bool:
    """Whether asking again would give the same answer."""
    status = _status(error)
    if status is not None:
        return 400 <= status < 500 and status not in _PASSING
    return isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError) or _lacks_credentials(error)


def _lacks_credentials(error: BaseException) -> bool:
    """Whether the library of an object store did not get as far as asking."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "BotoCoreError" in names:
        return not names & set(_BROKEN_CONNECTIONS)
    return "GoogleAuthError" in names and "TransportError" not in names


def _of_the_system(error: BaseException, address: str) -> OSError:
    reason = _reason(error)
    status = _status(reason)
    if status in (404, 410) or isinstance(reason, FileNotFoundError):
        return FileNotFoundError(f"{address} is not there")
    refused = status in (401, 403) or isinstance(reason, PermissionError) or _lacks_credentials(reason)
    return (PermissionError if refused else OSError)(f"{address} cannot be read: {_text(reason)}")


def _text(error: BaseException) -> str:
    """What an error says; some say nothing but their name."""
    return " ".join(str(error).split()) or type(error).__name__
