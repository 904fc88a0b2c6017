"""Callbacks that watch a run: samples, scores, checkpoints, progress. None of them changes what is learnt."""

from asva_lightning.training.callbacks.evaluate import Evaluate
from asva_lightning.training.callbacks.finite import StopDiverged
from asva_lightning.training.callbacks.progress import ProgressLines, Throughput
from asva_lightning.training.callbacks.samples import SampleVideos
from asva_lightning.training.callbacks.saving import SaveAndStop
from asva_lightning.training.callbacks.skipped import SkippedClips
from asva_lightning.training.callbacks.sound_swap import SoundSwap
from asva_lightning.training.callbacks.sync_scores import SyncScores

__all__ = [
    "Evaluate",
    "ProgressLines",
    "SampleVideos",
    "SaveAndStop",
    "SkippedClips",
    "SoundSwap",
    "StopDiverged",
    "SyncScores",
    "Throughput",
]
