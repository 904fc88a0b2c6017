"""Shards of clips, the stream that reads them, and the synthetic data set."""

from asva_lightning.data.batch import BadClip, ClipBatch, ClipSample
from asva_lightning.data.build import BuildReport, build
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.data.sources import ClipItem, ClipSource, MadeClip, MediaFolder
from asva_lightning.data.synthsync import SynthSync
from asva_lightning.data.synthsync.source import SynthSyncSource

__all__ = [
    "BadClip",
    "BuildReport",
    "ClipBatch",
    "ClipDataModule",
    "ClipItem",
    "ClipSample",
    "ClipSource",
    "MadeClip",
    "MediaFolder",
    "SynthSync",
    "SynthSyncSource",
    "build",
]
