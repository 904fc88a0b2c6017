"""Every exception that this package raises on purpose.

A message says what was met, where, and what to type next.
"""

from pathlib import Path


class AsvaError(Exception):
    """Base of all errors that are meant for the reader of the terminal."""


class ConfigurationError(AsvaError, ValueError):
    """Two settings contradict each other, or one has a value that cannot work."""


class MediaError(AsvaError):
    """A media file cannot be read or written as asked."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        return type(self), (self.path, self.reason)


class ShardsError(AsvaError):
    """Shards, or the manifest that describes them, are missing, damaged or do not fit the recipe."""


class TooManyBadClips(AsvaError):
    """So many clips in a row could not be read that the data, not a clip, must be at fault."""


class WeightsError(AsvaError):
    """A weight file is missing, damaged, or belongs to another configuration."""


class RunError(AsvaError):
    """A run folder cannot be used as asked."""


class WorkFailed(AsvaError):
    """A list of work ended with items undone."""


def refusal_behind(error: BaseException) -> AsvaError | None:
    """The error of this package that a parser has wrapped into one of its own; None if there is none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AsvaError):
        cause = cause.__cause__ or cause.__context__
    return cause
