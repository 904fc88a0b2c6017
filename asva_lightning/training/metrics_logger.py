"""A Lightning logger that appends every scalar to the run folder's ``metrics.jsonl``."""

from collections.abc import Mapping
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from asva_lightning.runs.folder import RunFolder
from asva_lightning.runs.metrics_file import MetricsFile


class MetricsLogger(Logger):
    """Writes scalars, and nothing else; samples and the configuration are files already.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.path.name

    @property
    def version(self) -> str:
        """There is one version: the folder."""
        return ""

    @property
    @rank_zero_experiment
    def experiment(self) -> MetricsFile:
        """The file."""
        return MetricsFile(self.folder.metrics)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append what was measured after ``step`` optimizer steps."""
        values = {name: value for name, value in metrics.items() if name not in ("step", "epoch", "time")}
        if values:
            self.experiment.append(step or 0, values)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The resolved configuration lies in the folder already."""
