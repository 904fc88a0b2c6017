"""The audio-visual synchronisation classifier: how well does this sound fit this video, in time?"""

from asva_lightning.metrics.sync_classifier.avid_cma import load_avid_cma
from asva_lightning.metrics.sync_classifier.classifier import SyncClassifier
from asva_lightning.metrics.sync_classifier.picture import for_scoring, for_training
from asva_lightning.metrics.sync_classifier.released import read_released, write_released

__all__ = ["SyncClassifier", "for_scoring", "for_training", "load_avid_cma", "read_released", "write_released"]
