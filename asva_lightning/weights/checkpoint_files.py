"""The checkpoints of a run as files: which there are, which is the newest, and whose run one belongs to."""

import logging
import os
import re
import zipfile
from pathlib import Path

logger = logging.getLogger(__name__)

_NAME = re.compile(r"step_(\d+)\.ckpt")


def numbered_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Each ``step_*.ckpt`` with its step, in the order of steps; files of other names are somebody's own.

    Args:
        folder: The folder ``checkpoints`` of a run; it need not exist.
    """
    return sorted((int(match[1]), path) for path in folder.glob("*") if (match := _NAME.fullmatch(path.name)))


def latest_checkpoint(folder: Path) -> Path | None:
    """Find the newest complete checkpoint by the step in its name; unfinished ones are passed over.

    Args:
        folder: The folder ``checkpoints`` of a run; it need not exist.

    Returns:
        A file or a DeepSpeed folder, or None if there is none.
    """
    for _, path in reversed(numbered_checkpoints(folder)):
        if _is_complete(path):
            return path
        logger.warning("%s is unfinished and is passed over.", path)
    return None


def run_of(path: Path) -> Path:
    """The run folder that a path means: itself, or the one that holds this checkpoint.

    Args:
        path: A run folder, or ``checkpoints/NAME.ckpt`` in one, seen from wherever we are.
    """
    return Path(os.path.abspath(path)).parent.parent if path.suffix == ".ckpt" else path


def _is_complete(checkpoint: Path) -> bool:
    """A checkpoint file is a zip archive, whose directory is written last; DeepSpeed writes ``latest`` last."""
    if checkpoint.is_file():
        return zipfile.is_zipfile(checkpoint)
    latest = checkpoint / "latest"
    return latest.is_file() and (checkpoint / latest.read_text(encoding="utf-8").strip()).is_dir()
