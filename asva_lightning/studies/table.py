"""The table of a sweep: its rows, their states and scores, as values, Markdown and JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asva_lightning.files import write_text
from asva_lightning.studies.rows import Row
from asva_lightning.studies.scores import RunScores, Summary
from asva_lightning.studies.state import State, state_of
from asva_lightning.studies.sweep_file import Sweep

SPREAD = "mean ± standard deviation (n - 1) over the seeds that are done"


@dataclass(frozen=True)
class Line:
    """A row of the sweep with what is known of it.

    Args:
        row: The row.
        state: How far it is.
        scores: Score to value; nan where there is none, and while the row is not done.
        steps: Score to the step that it is of, where that is known.
        failure: Why it failed at this start, if it did.
    """

    row: Row
    state: State
    scores: Mapping[str, float]
    steps: Mapping[str, int | None]
    failure: str | None = None

    @property
    def word(self) -> str:
        """Its state in a few words."""
        return f"failed, {self.state}" if self.failure else str(self.state)


@dataclass(frozen=True)
class Table:
    """A sweep at one moment.

    Args:
        sweep: What was asked for.
        lines: A line for every row, in the order of the sweep.
    """

    sweep: Sweep
    lines: Sequence[Line]

    @classmethod
    def of(cls, sweep: Sweep, rows: Sequence[Row], failures: Mapping[Row, str] | None = None) -> "Table":
        """Look at every row.

        Args:
            sweep: The sweep.
            rows: Its rows.
            failures: Why rows failed at this start.
        """
        lines = []
        for row in rows:
            state = state_of(row, sweep.test)
            found = RunScores(row.folder, row.max_steps, state.step or 0)
            scores = {name: found.read(name) if state.done else math.nan for name in sweep.scores}
            steps = {name: found.step_of(name) if state.done else None for name in sweep.scores}
            lines.append(Line(row, state, scores, steps, (failures or {}).get(row)))
        return cls(sweep, lines)

    @cached_property
    def summaries(self) -> dict[str, dict[str, Summary]]:
        """Difference to score to what it is over the seeds that are done."""
        return {
            difference.name: {
                name: Summary.of(line.scores[name] for line in self._done(difference.name))
                for name in self.sweep.scores
            }
            for difference in self.sweep.differences
        }

    @cached_property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        notes = [f"{line.row.title}: {line.failure}" for line in self.lines if line.failure]
        done = [line for line in self.lines if line.state.done]
        for line in done:
            if (line.state.step or 0) > line.row.max_steps:
                notes.append(
                    f"{line.row.title} was trained to step {line.state.step}, beyond {line.row.max_steps}: results "
                    "of a test are of the later step."
                )
        for name in self.sweep.scores if done else ():
            notes += self._missing(name, done) + self._of_different_steps(name, done)
        return notes

    def starts(self) -> str:
        """The rows and their states, before anything runs."""
        return "\n".join(self._rows(()))

    def __str__(self) -> str:
        done = sum(line.state.done for line in self.lines)
        lines = [f"# {self.sweep.name}", "", f"{done} of {len(self.lines)} runs are done."]
        lines += ["", f"Scores: {SPREAD}; N: how many are.", ""] if self.sweep.scores else [""]
        lines += [*self._summary(), "", *self._rows(self.sweep.scores)]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write ``table.md`` and ``table.json``.

        Args:
            folder: Where to; it is made where it is missing.
        """
        write_text(folder / "table.md", f"{self}\n")
        content = json.dumps(self.values(), indent=1, allow_nan=False, ensure_ascii=False)
        write_text(folder / "table.json", f"{content}\n")

    def values(self) -> dict[str, Any]:
        """Everything, as values that JSON can hold; null stands for what is not a finite number."""
        return {
            "sweep": self.sweep.name,
            "spread": SPREAD,
            "differences": [
                {
                    "name": difference.name,
                    "settings": difference.text,
                    "done": len(self._done(difference.name)),
                    "seeds": len(self.sweep.seeds),
                    "scores": {name: _known(vars(one)) for name, one in self.summaries[difference.name].items()},
                }
                for difference in self.sweep.differences
            ],
            "rows": [
                {
                    "difference": line.row.difference,
                    "seed": line.row.seed,
                    "run": line.row.folder.path.name,
                    "state": line.word,
                    "step": line.state.step,
                    "max_steps": line.row.max_steps,
                    "words": list(line.row.words),
                    "scores": _known(line.scores),
                }
                for line in self.lines
            ],
            "notes": self.notes,
        }

    def _done(self, difference: str) -> list[Line]:
        return [line for line in self.lines if line.row.difference == difference and line.state.done]

    def _summary(self) -> list[str]:
        rows = [["difference", "what differs", "N", *self.sweep.scores]]
        for one in self.sweep.differences:
            done = len(self._done(one.name))
            scores = [str(summary) if done else "" for summary in self.summaries[one.name].values()]
            rows.append([one.name, one.text, f"{done} of {len(self.sweep.seeds)}", *scores])
        return _markdown(rows, numbers=len(self.sweep.scores))

    def _rows(self, scores: Sequence[str]) -> list[str]:
        rows = [["run", "difference", "seed", "state", *scores]]
        for line in self.lines:
            values = [f"{line.scores[name]:.4g}" if line.state.done else "" for name in scores]
            rows.append([line.row.folder.path.name, line.row.difference, str(line.row.seed), line.word, *values])
        return _markdown(rows, numbers=len(scores))

    def _missing(self, name: str, done: Sequence[Line]) -> list[str]:
        rows = [line.row.title for line in done if math.isnan(line.scores[name])]
        if not rows:
            return []
        first = done[0]
        known = RunScores(first.row.folder, first.row.max_steps, first.state.step or 0).names()
        if len(rows) == len(done) and name not in known:
            return [f"No row has a score called {name}. There are: {', '.join(known) or 'none'}."]
        return [
            f"{name} is missing or not a number for {'; '.join(rows)}: left out of mean and spread. If such a run was "
            "killed at its very end, delete its last checkpoint and start the sweep again."
        ]

    def _of_different_steps(self, name: str, done: Sequence[Line]) -> list[str]:
        """A run that was stopped right after its last step has no validation of it."""
        ends = sorted(
            {step for line in done if (step := line.steps[name]) is not None and not name.startswith("test/")}
        )
        if len(ends) < 2:
            return []
        early = "; ".join(f"{line.row.title}: {line.steps[name]}" for line in done if line.steps[name] in ends[:-1])
        return [f"{name} is of step {ends[-1]}, but earlier for some rows ({early})."]


def _markdown(rows: Sequence[Sequence[str]], numbers: int) -> list[str]:
    """A table whose last columns hold numbers, which stand at the right."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    texts = len(widths) - numbers
    rule = ["-" * width if place < texts else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    cells = [
        [
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ]
        for row in (rows[0], rule, *rows[1:])
    ]
    return [f"| {' | '.join(row)} |" for row in cells]


def _known(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
