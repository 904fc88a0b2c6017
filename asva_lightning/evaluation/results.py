"""What scoring gives: one value per clip and measure, and what may be said of their mean."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.bootstrap import Interval, Score, bootstrap_interval
from asva_lightning.evaluation.results_file import check_content
from asva_lightning.files import write_text

__all__ = ["Interval", "Results", "Score", "bootstrap_interval"]

SHOWN = 10
"""So many names are listed in a message; the rest is counted."""


@dataclass
class Results:
    """The values of some clips by some measures.

    Args:
        values: Measure to clip to value; nan where a measure does not apply to the clip. An infinite one has no mean,
            and is left out and counted as nan is.
        texts: Clip to class text.
        facts: What the numbers depend on (frames, fps, size, guidance, hash of judging weights).
        videos: Clip to the video that it is cut from; clips of one are resampled together. A clip that is not named is
            a video of its own.
        sets: Measure of sets to ``all`` or ``class <text>`` to its distance, with its interval.
        set_draws: Measure of sets to the distances of the draws of videos that its interval was taken from. Results of
            the same videos have the same draws, so these are paired.
        excluded: Clip to the reason why it was not scored.
        missing: Files that should have been there and were not.
        extra: Files that belong to no true clip.
        protocol: What must be equal before two results are compared.
        clip_facts: Clip to what is known of how it was made, such as seed and guidance.
        versions: Libraries and decoder that made the numbers.
    """

    values: dict[str, dict[str, float]]
    texts: dict[str, str]
    facts: dict[str, str | float] = field(default_factory=dict)
    videos: dict[str, str] = field(default_factory=dict)
    sets: dict[str, dict[str, Score]] = field(default_factory=dict)
    set_draws: dict[str, list[float]] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    protocol: dict[str, Any] = field(default_factory=dict)
    clip_facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

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
        return self._score(self._of(measure))

    def of_class(self, measure: str, text: str) -> Score:
        """The score of the clips of one class.

        Args:
            measure: Name of a measure.
            text: Class text.

        Returns:
            Its mean over the clips of that class.
        """
        return self._score({key: value for key, value in self._of(measure).items() if self.texts[key] == text})

    def table(self) -> str:
        """The scores overall and of each class as a Markdown table, under the facts they depend on."""
        rows: list[tuple[str, ...]] = [("measure", "class", "mean", "95 % interval", "clips", "left out")]
        for measure in self.values:
            rows.append(_row(measure, "all", self.overall(measure)))
            if len(self.classes) > 1:
                rows += [_row(measure, text, self.of_class(measure, text)) for text in self.classes]
        for measure, scores in self.sets.items():
            rows += [_row(measure, name.removeprefix("class "), score) for name, score in scores.items()]
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items() if name != "legacy")
        return "\n".join([*([facts, ""] if facts else []), *self.about_legacy(), *markdown(rows), *self._warnings()])

    def about_legacy(self) -> list[str]:
        """Lines that name what was done as the original did by mistake; none where nothing was."""
        if "legacy" not in self.facts:
            return []
        return [f"Legacy, to be compared with published numbers only: {self.facts['legacy']}.", ""]

    def write(self, path: str | Path) -> None:
        """Write all values and scores to a JSON file.

        Args:
            path: Where to.
        """
        scores = {
            measure: {"all": vars(self.overall(measure))}
            | {"classes": {text: vars(self.of_class(measure, text)) for text in self.classes}}
            for measure in self.values
        }
        content = asdict(self) | {"scores": scores}
        order = ("facts", "protocol", "versions", "scores", "sets", "excluded", "missing", "extra")
        content = plain({name: content[name] for name in order} | content)
        write_text(Path(path), json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Results":
        """Read what :meth:`write` wrote; the scores are computed anew from the values.

        Args:
            path: Where from.

        Returns:
            The results.

        Raises:
            ConfigurationError: If the file is missing, damaged, or holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            check_content(content)
            values = {
                measure: {key: _or_nan(value) for key, value in by_key.items()}
                for measure, by_key in content["values"].items()
            }
            sets = {
                measure: {
                    name: Score(**{part: _or_nan(value) for part, value in score.items()})
                    for name, score in of_sets.items()
                }
                for measure, of_sets in content.get("sets", {}).items()
            }
            draws = {name: [*map(_or_nan, drawn)] for name, drawn in content.get("set_draws", {}).items()}
            rest = {name: content[name] for name in _PLAIN if name in content}
            return cls(values, content["texts"], content["facts"], sets=sets, set_draws=draws, **rest)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Give a results.json.") from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ConfigurationError(
                f"{path} holds no results, or is damaged ({error}). Give a file that `evaluate` or `test` wrote, or "
                "evaluate again."
            ) from error

    def _score(self, values: Mapping[str, float]) -> Score:
        numbers = [finite_or_nan(value) for value in values.values()]
        return Score.of(numbers, videos=[self.videos.get(key, key) for key in values])

    def _of(self, measure: str) -> dict[str, float]:
        if measure not in self.values:
            raise ConfigurationError(f"No measure is called {measure!r}; these were scored: {', '.join(self.values)}.")
        return self.values[measure]

    def _warnings(self) -> list[str]:
        lines = []
        if self.excluded:
            reasons = [f"- {key}: {reason}" for key, reason in list(self.excluded.items())[:SHOWN]]
            lines += ["", f"{some(len(self.excluded), 'clip')} excluded:", "", *reasons]
            if len(self.excluded) > SHOWN:
                lines.append(f"- and {len(self.excluded) - SHOWN} more")
        for what, names in (("missing", self.missing), ("without a true clip", self.extra)):
            if names:
                lines += ["", f"Partial: {some(len(names), 'file')} {what}: {listed(names)}"]
        return lines


_PLAIN = ("videos", "excluded", "missing", "extra", "protocol", "clip_facts", "versions")


def markdown(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Lines of a Markdown table, its columns aligned; the first row is the head."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    rule = ["-" * width for width in widths]
    for row in (rows[0], rule, *rows[1:]):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def some(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _row(measure: str, text: str, score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.3f} to {score.high:.3f}"
    return measure, text, f"{score.mean:.3f}", interval, str(score.count), str(score.left_out)


def finite_or_nan(value: float) -> float:
    """The value; nan, which is left out and counted, where it is infinite: with it no mean would be finite."""
    return value if math.isfinite(value) else math.nan


def plain(value: Any) -> Any:
    """What JSON can hold of a value: it has no nan and no infinity; null stands for both."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else value
