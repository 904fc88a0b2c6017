"""Pretrained weights: where they come from, finding them, reading them."""

from asva_lightning.weights.locate import find_file, find_folder, is_hub_id, missing
from asva_lightning.weights.read import check_finite, load_safely, read_config, read_model_folder, read_tensors
from asva_lightning.weights.table import KnownWeights, as_markdown, known_weights

__all__ = [
    "KnownWeights",
    "as_markdown",
    "check_finite",
    "find_file",
    "find_folder",
    "is_hub_id",
    "known_weights",
    "load_safely",
    "missing",
    "read_config",
    "read_model_folder",
    "read_tensors",
]
