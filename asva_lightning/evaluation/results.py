"""What scoring gives: one value per clip and measure, and what may be said of their mean."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asva_lightning.errors import ConfigurationError

RESAMPLES = 2000
PARTS = 20


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Args:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """A mean over clips, with its uncertainty.

    Args:
        mean: Mean of the values that are not nan; nan where there are none.
        low: Lower end of the bootstrap interval.
        high: Upper end of the bootstrap interval.
        count: Number of clips in the mean.
        left_out: Number of clips whose value is nan.
    """

    mean: float
    low: float
    high: float
    count: int
    left_out: int = 0

    @classmethod
    def of(cls, values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> "Score":
        """Summarise the values of some clips.

        Args:
            values: One value per clip; nan is left out and counted.
            confidence: Confidence of the interval.
            seed: Seed of the bootstrap.

        Returns:
            The score.
        """
        usable = [value for value in values if not math.isnan(value)]
        interval = bootstrap_interval(usable, confidence, seed)
        mean = float(np.mean(usable)) if usable else math.nan
        return cls(mean, interval.low, interval.high, len(usable), len(values) - len(usable))


def bootstrap_interval(values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of a mean (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).

    The means of 2000 draws of as many values, with replacement; the interval holds the middle ``confidence`` of them.
    It speaks of the choice of clips only, not of the seed of training or sampling. Below about ten values it is too
    narrow.

    Args:
        values: Values without nan; with none both ends are nan.
        confidence: Share of the means inside, between 0 and 1.
        seed: Seed of the draws.

    Returns:
        The interval.

    Raises:
        ConfigurationError: If the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(f"A confidence lies between 0 and 1, not at {confidence}. Use 0.95 for 95 %.")
    if not values:
        return Interval(math.nan, math.nan)
    numbers, random = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    # In parts: all at once would need memory for 2000 times the number of clips.
    draws = (random.integers(len(numbers), size=(RESAMPLES // PARTS, len(numbers))) for _ in range(PARTS))
    means = np.concatenate([numbers[draw].mean(axis=1) for draw in draws])
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


@dataclass
class Results:
    """The values of some clips by some measures.

    Args:
        values: Measure to clip to value; nan where a measure does not apply to the clip.
        texts: Clip to class text.
        facts: What the numbers depend on (frames, fps, size, guidance, hash of judging weights).
    """

    values: dict[str, dict[str, float]]
    texts: dict[str, str]
    facts: dict[str, str | float] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The class texts, sorted."""
        return sorted(set(self.texts.values()))

    def overall(self, measure: str) -> Score:
        """The score of all clips.

        Args:
            measure: Name of a measure.

        Returns:
            Its mean over all clips.
        """
        return Score.of(list(self._of(measure).values()))

    def of_class(self, measure: str, text: str) -> Score:
        """The score of the clips of one class.

        Args:
            measure: Name of a measure.
            text: Class text.

        Returns:
            Its mean over the clips of that class.
        """
        return Score.of([value for key, value in self._of(measure).items() if self.texts[key] == text])

    def table(self) -> str:
        """The scores overall and of each class as a Markdown table, under the facts they depend on."""
        rows: list[tuple[str, ...]] = [("measure", "class", "mean", "95 % interval", "clips", "left out")]
        for measure in self.values:
            rows.append(_row(measure, "all", self.overall(measure)))
            if len(self.classes) > 1:
                rows += [_row(measure, text, self.of_class(measure, text)) for text in self.classes]
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        return "\n".join([*([facts, ""] if facts else []), *_markdown(rows)])

    def write(self, path: str | Path) -> None:
        """Write all values and scores to a JSON file.

        Args:
            path: Where to.
        """
        scores = {
            measure: {"all": _known(self.overall(measure))}
            | {"classes": {text: _known(self.of_class(measure, text)) for text in self.classes}}
            for measure in self.values
        }
        values = {measure: _without_nan(by_key) for measure, by_key in self.values.items()}
        content = {"facts": self.facts, "scores": scores, "texts": self.texts, "values": values}
        Path(path).write_text(
            json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    @classmethod
    def read(cls, path: str | Path) -> "Results":
        """Read what :meth:`write` wrote; the scores are computed anew from the values.

        Args:
            path: Where from.

        Returns:
            The results.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        values = {
            measure: {key: math.nan if value is None else value for key, value in by_key.items()}
            for measure, by_key in content["values"].items()
        }
        return cls(values, content["texts"], content["facts"])

    def _of(self, measure: str) -> dict[str, float]:
        if measure not in self.values:
            raise ConfigurationError(f"No measure is called {measure!r}; these were scored: {', '.join(self.values)}.")
        return self.values[measure]


def _row(measure: str, text: str, score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.3f} to {score.high:.3f}"
    return measure, text, f"{score.mean:.3f}", interval, str(score.count), str(score.left_out)


def _markdown(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    rule = tuple("-" * width for width in widths)
    for row in (rows[0], rule, *rows[1:]):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"


def _known(score: Score) -> dict[str, float | None]:
    return _without_nan(vars(score))


def _without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no nan; null stands for it."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}
