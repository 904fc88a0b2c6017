"""Encoding the clips of exact_clips.py with the quickstart's networks, made small, by the real command line."""

from pathlib import Path

from runs_for_tests import RECIPE, TINY

from asva_lightning.cli import main
from asva_lightning.data.clips import ClipReader, TrainingClips
from asva_lightning.data.manifest import Dataset
from asva_lightning.media import ClipFormat

FORMAT = ClipFormat(frames=12, fps=6, height=32, width=32)
EXACT = ("--latents=float32", "--sound=float32")


def encode(shards: Path, output: Path, *more: str) -> Path:
    """`shards encode`; returns the folder that it made."""
    main(["shards", "encode", str(shards), str(output), f"--config={RECIPE}", f"--config={TINY}", *more])
    return output


def clips_of(folder: Path) -> TrainingClips:
    """The training stream of a folder, from files or latents."""
    return TrainingClips(ClipReader(FORMAT), Dataset.open(folder).samples("train"), seed=0)
