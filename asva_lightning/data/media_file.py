"""A look at a media file that is to become a clip."""

from dataclasses import dataclass
from pathlib import Path

from asva_lightning.data.clips import LARGEST
from asva_lightning.data.sources import MadeClip
from asva_lightning.errors import MediaError
from asva_lightning.media import ClipFormat, probe, read_clip

LOOK = ClipFormat(frames=2, fps=10, height=16, width=16)
"""A glance at the beginning and the end of a file shows whether it decodes."""
NO_FILE = "the list names this file, but it does not exist"
WHOLE = (None, None)
"""No first and no last second: all of a file."""


@dataclass(frozen=True)
class Limits:
    """What a clip must have to be taken.

    Args:
        seconds: Shorter clips are left out.
        fps: Clips of fewer frames a second are left out.
    """

    seconds: float = ClipFormat().seconds
    fps: float = 0.0


def examined(path: Path, limits: Limits, cut: tuple[float | None, float | None] = WHOLE) -> MadeClip:
    """Look at a media file, or at a part of it, without changing anything.

    Args:
        path: The file.
        limits: What it must have.
        cut: First and last second of the part that is wanted, each ``None`` for the file's own beginning or end.

    Returns:
        The clip; its path is absolute, as a build may be continued from another place.

    Raises:
        MediaError: If it cannot be used, and why.
    """
    path = path.absolute()
    if not path.is_file():
        raise MediaError(path, NO_FILE)
    info = probe(path)
    if not (info.has_picture and info.has_sound):
        raise MediaError(path, "has no picture" if info.has_sound else "has no sound")
    begin, end, seconds = cut[0] or 0.0, cut[1], info.seconds
    if cut != WHOLE:
        last = info.start + info.seconds
        # Tables are written in tenths or whole seconds, and a file may lack its last frame.
        if end is not None and end > last + 0.1:
            raise MediaError(path, f"ends at {last:.2f} s, before the {end:g} s that the table asks for")
        end = last if end is None else min(end, last)
        seconds = max(0.0, end - begin)
    if seconds < limits.seconds:
        raise MediaError(path, f"is {seconds:.2f} s long, shorter than {limits.seconds:g} s")
    if info.fps < limits.fps - 0.01:
        raise MediaError(path, f"has {info.fps:.2f} frames a second, fewer than {limits.fps:g}")
    for start in (begin, max(begin, begin + seconds - LOOK.seconds)):
        read_clip(path, LOOK, start)
    return MadeClip(str(path), seconds, info.fps, cut=None if cut == WHOLE else (begin, begin + seconds))


def check_size(path: Path) -> None:
    """Refuse a file that is ready to be put into shards, but that no training would read.

    It is not looked at before: what is encoded again, or cut out of a file, may be smaller than that file.

    Raises:
        MediaError: If it is larger than :data:`asva_lightning.data.clips.LARGEST`.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise MediaError(
            path, f"is {size / 2**30:.2f} GiB large; training reads no file above 1 GiB. Encode it again, as with "
            "--height, or cut it into clips"
        )  # fmt: skip
