"""What the shift test says: scores by shift, slope, and how often right is told from wrong."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asva_lightning.evaluation.bootstrap import Score
from asva_lightning.evaluation.results import finite_or_nan, markdown, plain, some
from asva_lightning.files import write_text
from asva_lightning.pages.panels import Panel, Point, panels_svg

RIGHT = "right"
NEAR = 0.4
"""Seconds to which the slope is taken; beyond, sound may meet the motion of another event by chance."""

_DIRECTIONS = {True: "", False: " (lower is better)", None: " (neither way is better)"}

Clip = Mapping[str, Any]


@dataclass(frozen=True)
class Telling:
    """How well a measure tells true sound from sound under another condition.

    Args:
        unpaired: Share of all pairs of a right and a wrong clip, of whatever videos, in which the right one has the
            better value (the area under the ROC curve); a tie counts half.
        paired: The same, of pairs of the same clip.
        count: Clips with both values.
    """

    unpaired: float
    paired: Score
    count: int


@dataclass(frozen=True)
class ShiftReport:
    """The values of a shift test and what they say.

    Args:
        clips: Key to ``values`` (measure to condition to value), ``text`` and ``video``.
        excluded: Key to the reason why a clip was not judged.
        protocol: How it was done.
        higher_is_better: Measure to whether its higher values are better; None where neither is. Higher is taken to be
            better of a measure that is not named.
    """

    clips: Mapping[str, Clip]
    excluded: Mapping[str, str]
    protocol: Mapping[str, Any]
    higher_is_better: Mapping[str, bool | None] = field(default_factory=dict)

    @cached_property
    def measures(self) -> list[str]:
        """Names of the measures."""
        return list(next(iter(self.clips.values()))["values"])

    @cached_property
    def classes(self) -> list[str]:
        """Class texts, sorted."""
        return sorted({clip["text"] for clip in self.clips.values()})

    @property
    def conditions(self) -> dict[str, tuple[str, ...]]:
        """What is compared with the truth: a name for people, and the keys of its values."""
        shifts = {f"{shift:g} s": (f"{shift:+g}", f"{-shift:+g}") for shift in self.protocol["shifts"]}
        return {**shifts, "other sound": ("other sound",), "reversed": ("reversed",)}

    def label(self, measure: str) -> str:
        """A measure's name, and which way is better where that is not higher."""
        return measure + _DIRECTIONS[self.higher_is_better.get(measure, True)]

    def score(self, measure: str, keys: Sequence[str], text: str | None = None) -> Score:
        """Mean over clips of a measure's value under some conditions (of a clip, the mean of those that it has)."""
        clips = [clip for clip in self._of(text) if any(key in clip["values"][measure] for key in keys)]
        values = [float(np.mean(_values(clip, measure, keys))) for clip in clips]
        return Score.of(values, videos=[clip["video"] for clip in clips])

    def slope(self, measure: str, text: str | None = None) -> Score:
        """How much the score changes in a second of shift, by least squares from 0 to 0.4 s; below 0 where it falls.

        Of a measure whose lower values are better it should rise.
        """
        near = [shift for shift in self.protocol["shifts"] if shift <= NEAR]
        x = np.array([0.0, *near])
        slopes, videos = [], []
        for clip in self._of(text):
            curve = [_values(clip, measure, (RIGHT,))]
            curve += [_values(clip, measure, (f"{shift:+g}", f"{-shift:+g}")) for shift in near]
            if all(curve):
                y = np.array([np.mean(values) for values in curve])
                slopes.append(float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()))
                videos.append(clip["video"])
        return Score.of(slopes, videos=videos)

    def telling(self, measure: str, keys: Sequence[str], text: str | None = None) -> Telling:
        """How well a measure tells right from wrong; clips without both values are left out.

        Where neither way is better, the share is that of higher values.
        """
        sign = -1 if self.higher_is_better.get(measure, True) is False else 1
        right, wrong, wins, videos = [], [], [], []
        for clip in self._of(text):
            true = sign * finite_or_nan(clip["values"][measure][RIGHT])
            others = [sign * value for value in _values(clip, measure, keys) if not math.isnan(value)]
            if math.isnan(true) or not others:
                continue
            right.append(true)
            wrong += others
            wins.append(float(np.mean([_win(true, value) for value in others])))
            videos.append(clip["video"])
        return Telling(_area(right, wrong), Score.of(wins, videos=videos), len(wins))

    def text(self) -> str:
        """Two tables: scores by shift, and how well right is told from wrong."""
        format = self.protocol["format"]
        lines = [
            f"Shift test of {some(len(self.clips), 'clip')}: {format['frames']} frames at {format['fps']:g} a second, "
            f"{format['height']}x{format['width']}. Shifted sound is the source's own, late and early; clips without "
            f"it are left out. {some(len(self.excluded), 'clip')} excluded.",
            *[f"Legacy: {name}: {text}." for name, text in self.protocol.get("legacy", {}).items()],
            "",
            "Mean score; the slope is that from 0 to 0.4 s of shift, per second:",
            "",
            *markdown(self._scores()),
            "",
            "AUC, how often right is better than wrong: all pairs / pairs of the same clip (95 % interval), clips with "
            "both:",
            "",
            *markdown(self._areas()),
            *self._about_directions(),
        ]
        if len(self.classes) > 1:
            lines += ["", f"AUC of right against {NEAR:g} s, by class: all pairs / pairs of the same clip:", ""]
            lines += markdown(self._areas_by_class())
        lines += ["", *(f"- {key}: {reason}" for key, reason in self.excluded.items())] if self.excluded else []
        return "\n".join(lines)

    def svg(self) -> str:
        """A plot for each measure: mean and interval by shift, sound late to the right."""
        shifts = sorted({0.0} | {sign * shift for shift in self.protocol["shifts"] for sign in (1, -1)})
        panels = []
        for measure in self.measures:
            scores = {shift: self.score(measure, (f"{shift:+g}" if shift else RIGHT,)) for shift in shifts}
            points = [Point(shift, of.mean, of.low, of.high) for shift, of in scores.items() if of.count]
            panels.append(Panel(self.label(measure), points, "sound late by, in seconds"))
        return panels_svg(panels)

    def write(self, output: Path) -> None:
        """Write the JSON file, and beside it the tables (``.md``) and the plot (``.svg``)."""
        of_all = {
            measure: {
                "higher is better": self.higher_is_better.get(measure, True),
                "slope": vars(self.slope(measure)),
                "right": vars(self.score(measure, (RIGHT,))),
                **{name: self._about(measure, keys) for name, keys in self.conditions.items()},
            }
            for measure in self.measures
        }
        of_classes = {
            text: {
                measure: {name: self._about(measure, keys, text) for name, keys in self.conditions.items()}
                for measure in self.measures
            }
            for text in self.classes
        }
        content = {
            "protocol": self.protocol, "scores": of_all, "classes": of_classes, "excluded": self.excluded,
            "clips": self.clips,
        }  # fmt: skip
        text = json.dumps(plain(content), indent=1, allow_nan=False, ensure_ascii=False)
        write_text(output, text + "\n")
        write_text(output.with_suffix(".md"), self.text() + "\n")
        write_text(output.with_suffix(".svg"), self.svg())

    def _about_directions(self) -> list[str]:
        """How to read measures whose higher values are not better, where there are some."""
        directions = [self.higher_is_better.get(measure, True) for measure in self.measures]
        lines = []
        if False in directions:
            lines.append("Where lower is better, right must be lower than wrong, and the slope above 0.")
        if None in directions:
            lines.append("Where neither way is better, the AUC is how often right is higher than wrong.")
        return ["", *lines] if lines else []

    def _of(self, text: str | None) -> list[Clip]:
        return [clip for clip in self.clips.values() if text is None or clip["text"] == text]

    def _about(self, measure: str, keys: Sequence[str], text: str | None = None) -> dict[str, Any]:
        telling = self.telling(measure, keys, text)
        return {
            "score": vars(self.score(measure, keys, text)),
            "auc": telling.unpaired,
            "paired auc": vars(telling.paired),
            "clips without": len(self._of(text)) - telling.count,
        }

    def _scores(self) -> list[Sequence[str]]:
        rows: list[Sequence[str]] = [("measure", RIGHT, *self.conditions, "slope", "95 % interval")]
        for measure in self.measures:
            means = [self.score(measure, keys).mean for keys in ((RIGHT,), *self.conditions.values())]
            slope = self.slope(measure)
            interval = f"{slope.low:+.2f} to {slope.high:+.2f}"
            rows.append((self.label(measure), *(f"{mean:.3f}" for mean in means), f"{slope.mean:+.2f}", interval))
        return rows

    def _areas(self) -> list[Sequence[str]]:
        rows: list[Sequence[str]] = [("measure", *self.conditions)]
        for measure in self.measures:
            cells = []
            for keys in self.conditions.values():
                of = self.telling(measure, keys)
                paired = f"{of.paired.mean:.2f} ({of.paired.low:.2f} to {of.paired.high:.2f})"
                cells.append(f"{of.unpaired:.2f} / {paired}, {of.count}")
            rows.append((self.label(measure), *cells))
        return rows

    def _areas_by_class(self) -> list[Sequence[str]]:
        rows: list[Sequence[str]] = [("class", "clips", *map(self.label, self.measures))]
        keys = (f"{NEAR:+g}", f"{-NEAR:+g}")
        for text in self.classes:
            of_class = [self.telling(measure, keys, text) for measure in self.measures]
            cells = [f"{of.unpaired:.2f} / {of.paired.mean:.2f}" for of in of_class]
            rows.append((text, str(of_class[0].count), *cells))
        return rows


def _values(clip: Clip, measure: str, keys: Sequence[str]) -> list[float]:
    """A clip's values under the conditions that it has; nan where one is no finite number."""
    return [finite_or_nan(clip["values"][measure][key]) for key in keys if key in clip["values"][measure]]


def _win(right: float, wrong: float) -> float:
    return 1.0 if right > wrong else 0.5 if right == wrong else 0.0


def _area(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Area under the ROC curve; nan where there is nothing to compare."""
    if not right or not wrong:
        return math.nan
    order = np.sort(np.asarray(wrong))
    below, not_above = (np.searchsorted(order, right, side) for side in ("left", "right"))
    return float((below + not_above).mean() / 2 / len(wrong))
