"""Shards of clips, the stream that reads them, and the synthetic data set."""

from typing import TYPE_CHECKING, Any

from asva_lightning.data.batch import BadClip, ClipBatch, ClipSample
from asva_lightning.data.build import BuildReport, PartReport, build, build_part
from asva_lightning.data.media_folder import MediaFolder
from asva_lightning.data.media_table import Columns, MediaTable
from asva_lightning.data.sources import ClipItem, ClipSource, MadeClip
from asva_lightning.data.synthsync import SynthSync
from asva_lightning.data.synthsync.source import SynthSyncSource
from asva_lightning.data.vggsound import VGGSound

if TYPE_CHECKING:
    from asva_lightning.data.datamodule import ClipDataModule
else:  # hidden from type checkers, which would take every name for known

    def __getattr__(name: str) -> Any:
        """Import Lightning only for those who train: workers that build shards start in a third of the time without."""
        if name != "ClipDataModule":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from asva_lightning.data.datamodule import ClipDataModule

        return ClipDataModule


__all__ = [
    "BadClip",
    "BuildReport",
    "ClipBatch",
    "ClipDataModule",
    "ClipItem",
    "ClipSample",
    "ClipSource",
    "Columns",
    "MadeClip",
    "MediaFolder",
    "MediaTable",
    "PartReport",
    "SynthSync",
    "SynthSyncSource",
    "VGGSound",
    "build",
    "build_part",
]
