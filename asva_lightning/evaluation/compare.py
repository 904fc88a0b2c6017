"""Paired differences of two results of the same clips."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.bootstrap import Score, of_paired_draws, sign_flip_p
from asva_lightning.evaluation.results import Results, listed, markdown, some

BASIC = ("frames", "fps", "size")
"""Facts that are compared where a file has no protocol, as that of ``test``."""


@dataclass(frozen=True)
class Difference:
    """How far two systems are apart by one measure.

    Args:
        measure: Name of the measure.
        first: Mean of the first, over the clips that both have a value of.
        second: Mean of the second.
        difference: Second less first, with its interval; clips without both values are left out and counted.
        p: How often chance alone would make it as large, see :func:`~asva_lightning.evaluation.bootstrap.sign_flip_p`;
            of a distance between sets :func:`~asva_lightning.evaluation.bootstrap.of_paired_draws`.
    """

    measure: str
    first: float
    second: float
    difference: Score
    p: float


def compare(first: Results, second: Results) -> list[Difference]:
    """Compare two systems clip by clip.

    Args:
        first: Results of the one.
        second: Results of the other.

    Returns:
        The differences, second less first, for every measure that both have: those that give a value per clip, then
        the distances between sets. Where a result has no draws of a distance, its interval and p are nan.

    Raises:
        ConfigurationError: If they are not of the same clips and protocol, and why.
    """
    reasons = [*_other_clips(first, second), *_other_protocol(first, second)]
    if reasons:
        raise ConfigurationError(
            "These results cannot be compared:\n" + "\n".join(f"  {reason}" for reason in reasons) + "\nEvaluate both "
            "on the same clips with the same settings."
        )
    shared = [name for name in first.values if name in second.values]
    shared_sets = [name for name in first.sets if name in second.sets]
    return [_difference(name, first, second) for name in shared] + [
        _difference_of_sets(name, first, second) for name in shared_sets
    ]


def table(first: Results, second: Results, names: tuple[str, str]) -> str:
    """The comparison as Markdown.

    Args:
        first: Results of the one.
        second: Results of the other.
        names: What the two are called.

    Raises:
        ConfigurationError: As :func:`compare`.
    """
    differences = compare(first, second)
    rows: list[Sequence[str]] = [("measure", *names, "difference", "95 % interval", "p", "clips", "left out")]
    for one in differences:
        of = one.difference
        interval, p = f"{of.low:+.3f} to {of.high:+.3f}", f"{one.p:.2g}"
        if one.measure in first.sets and math.isnan(one.p):
            interval = p = "-"
        means = (f"{one.first:.3f}", f"{one.second:.3f}", f"{of.mean:+.3f}")
        rows.append((one.measure, *means, interval, p, str(of.count), str(of.left_out)))
    videos = len({first.videos.get(key, key) for key in first.texts})
    notes = [
        f"{names[1]} less {names[0]}, paired by clip; {some(len(first.texts), 'clip')} of {some(videos, 'video')}. "
        "Intervals: bootstrap over videos. p: random flips of the sign of a video's differences, two-sided."
    ]
    if any(one.measure in first.sets for one in differences):
        notes.append(
            "A distance between sets has no value per clip: its interval and p are those of a normal spread, taken "
            "from draws of the same videos in both (- where a file has no draws)."
        )
    notes += [f"{name}: {line}" for name, of in zip(names, (first, second)) for line in of.about_legacy() if line]
    if first.versions != second.versions:
        notes.append("Made with other versions: " + "; ".join(_differing(first.versions, second.versions)) + ".")
    return "\n".join([*markdown(rows), "", *notes])


def _difference(name: str, first: Results, second: Results) -> Difference:
    pairs = {key: (first.values[name][key], second.values[name][key]) for key in first.values[name]}
    usable = {key: pair for key, pair in pairs.items() if not any(math.isnan(value) for value in pair)}
    videos = [first.videos.get(key, key) for key in pairs]
    differences = {key: after - before for key, (before, after) in pairs.items()}
    score = Score.of(list(differences.values()), videos=videos)
    p = sign_flip_p([differences[key] for key in usable], [first.videos.get(key, key) for key in usable])
    means = [sum(values) / len(values) for values in zip(*usable.values())] or [math.nan, math.nan]
    return Difference(name, means[0], means[1], score, p)


def _difference_of_sets(name: str, first: Results, second: Results) -> Difference:
    before, after = (results.sets[name]["all"] for results in (first, second))
    difference = after.mean - before.mean
    interval, p = of_paired_draws(difference, first.set_draws.get(name, []), second.set_draws.get(name, []))
    score = Score(difference, interval.low, interval.high, len(first.texts))
    return Difference(name, before.mean, after.mean, score, p)


def _other_clips(first: Results, second: Results) -> Iterator[str]:
    for one, other, which in ((first, second, "first"), (second, first, "second")):
        only = sorted(one.texts.keys() - other.texts.keys())
        if only:
            yield f"{some(len(only), 'clip')} only in the {which}: {listed(only)}"
    if not set(first.values) & set(second.values) and not set(first.sets) & set(second.sets):
        yield (
            f"no measure is in both: {', '.join([*first.values, *first.sets])} against "
            f"{', '.join([*second.values, *second.sets])}"
        )


def _other_protocol(first: Results, second: Results) -> Iterator[str]:
    """Facts that differ; a measure that only one has is none."""
    one, other = (dict(results.protocol) for results in (first, second))
    measures, other_measures = one.pop("measures", {}), other.pop("measures", {})
    if not one or not other:
        one, other = ({name: of.facts.get(name) for name in BASIC} for of in (first, second))
    yield from _differing(one, other)
    for name in measures.keys() & other_measures.keys():
        yield from (f"{name}: {fact}" for fact in _differing(measures[name], other_measures[name]))


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            yield f"{name} {_brief(one.get(name))} against {_brief(other.get(name))}"


def _brief(value: Any) -> str:
    """A value for people; a hash is cut."""
    text = " ".join(f"{name}={part}" for name, part in value.items()) if isinstance(value, dict) else str(value)
    return text[:12] if len(text) == 64 and " " not in text else text
