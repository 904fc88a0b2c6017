"""Scores of runs, read from their folders, and what they are over seeds."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asva_lightning.runs.folder import RunFolder
from asva_lightning.runs.metrics_file import MetricsFile


@dataclass(frozen=True)
class RunScores:
    """What a run folder says of the run.

    A score is named as a column of ``metrics.jsonl`` (``validation/loss``); or as ``FILE/MEASURE``, a measure in a file
    of results: ``test/onset_f1`` is in ``test.json``, ``sound_swap/right_sound/onset_f1`` in
    ``sound_swap/right_sound.json``.

    Args:
        folder: The run folder.
        max_steps: Later steps do not count, so that runs compare that were trained for different lengths.
        step: Step of the weights that were tested, which ``test/...`` is of.
    """

    folder: RunFolder
    max_steps: int
    step: int

    @cached_property
    def columns(self) -> dict[str, tuple[int, float]]:
        """The last value of each column of the metrics file, after the step that it is of."""
        last: dict[str, tuple[int, float]] = {}
        for line in MetricsFile(self.folder.metrics).read():
            for name, value in line.items():
                end = line["step"] == self.step if name.startswith("test/") else line["step"] <= self.max_steps
                if end and name not in ("step", "time"):
                    last[name] = (line["step"], value)
        return last

    def read(self, name: str) -> float:
        """One score.

        Args:
            name: Its name.

        Returns:
            Its value; nan if the run has no score of that name.
        """
        if name in self.columns:
            return self.columns[name][1]
        file, _, measure = name.rpartition("/")
        return _means(self.folder.path / f"{file}.json").get(measure, math.nan) if file else math.nan

    def step_of(self, name: str) -> int | None:
        """The step that a column's last value is of; None for results in a file, which do not say."""
        return self.columns[name][0] if name in self.columns else None

    def names(self) -> list[str]:
        """Every score that there is."""
        files = [*self.folder.path.glob("*.json"), *self.folder.path.glob("sound_swap/*.json")]
        places = {file: file.relative_to(self.folder.path).with_suffix("").as_posix() for file in files}
        return sorted({*self.columns, *(f"{places[file]}/{measure}" for file in files for measure in _means(file))})


@dataclass(frozen=True)
class Summary:
    """A score over seeds.

    Args:
        mean: Mean of the values.
        deviation: Sample standard deviation (n - 1); nan for fewer than two values.
        minimum: The least value.
        maximum: The greatest value.
        count: How many values there are.
    """

    mean: float
    deviation: float
    minimum: float
    maximum: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Summary":
        """Sum values up; those that are not a number are left out, and not counted."""
        known: Sequence[float] = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan, math.nan, 0)
        deviation = statistics.stdev(known) if len(known) > 1 and all(map(math.isfinite, known)) else math.nan
        return cls(statistics.fmean(known), deviation, min(known), max(known), len(known))

    def __str__(self) -> str:
        if self.count == 0:
            return "nan"
        spread = "" if math.isnan(self.deviation) else f" ± {self.deviation:.2g}"
        return f"{self.mean:.4g}{spread}"


def _means(file: Path) -> dict[str, float]:
    """The mean over clips of each measure in a file of results; nothing where it is no such file."""
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        means = {name: score["all"]["mean"] for name, score in content["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: math.nan if mean is None else float(mean) for name, mean in means.items()}
