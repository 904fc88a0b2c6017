"""Paired differences of two results of the same clips."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.bootstrap import Score, of_paired_draws, sign_flip_p
from asva_lightning.evaluation.results import Results, finite_or_nan, listed, markdown, some

BASIC = ("frames", "fps", "size", "chance")
"""Facts that are compared where neither file has a protocol, as those of ``test``."""

_PARTLY = re.compile(r" \(\d+ of \d+ clips\)")
"""How a name ends of which some clips are missing."""


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
    return "\n".join([*markdown(rows), "", *_notes(first, second, names, differences)])


def _notes(first: Results, second: Results, names: tuple[str, str], differences: Sequence[Difference]) -> Iterator[str]:
    """What to know when reading the table, a line each."""
    both = list(zip(names, (first, second)))
    videos = len({first.videos.get(key, key) for key in first.texts})
    yield (
        f"{names[1]} less {names[0]}, paired by clip; {some(len(first.texts), 'clip')} of {some(videos, 'video')}. "
        "Intervals: bootstrap over videos. p: random flips of the sign of a video's differences, two-sided."
    )
    if any(one.measure in first.sets for one in differences):
        yield (
            "A distance between sets has no value per clip: its interval and p are those of a normal spread, taken "
            "from draws of the same videos in both (- where a file has no draws)."
        )
    chances = [
        (name, value) for _, of in both for name, value in of.facts.items() if name.partition(" ")[0] == "chance"
    ]
    if chances:
        told = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in chances)
        yield f"What guessing gives: {', '.join(dict.fromkeys(told))}."
    if not first.protocol and not second.protocol:
        differ = "; ".join(_differing(first.facts, second.facts))
        yield (
            f"Neither file has a protocol, so of their facts only {', '.join(BASIC)} had to be equal. "
            + (f"These differ: {differ}." if differ else "The others are equal too.")
        )
    for name, of in both:
        yield from (f"{name}: {line}" for line in of.about_legacy() if line)
        if partial := _left_out(of):
            yield f"{name} is of a part only, and so is this table: {partial}."
    if first.versions != second.versions:
        yield "Made with other versions: " + "; ".join(_differing(first.versions, second.versions)) + "."


def _left_out(results: Results) -> str:
    """What was not judged and why; nothing where all was."""
    excluded = [f"{key} ({reason.rstrip('.')})" for key, reason in results.excluded.items()]
    lists = ((excluded, "clip", "excluded"), (results.missing, "file", "missing"), (results.extra, "file", "too many"))
    return "; ".join(f"{some(len(names), noun)} {what}: {listed(names)}" for names, noun, what in lists if names)


def _difference(name: str, first: Results, second: Results) -> Difference:
    values = [{key: finite_or_nan(value) for key, value in of.values[name].items()} for of in (first, second)]
    pairs = {key: (values[0][key], values[1][key]) for key in values[0]}
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
    for one, other, which, without in ((first, second, "first", "second"), (second, first, "second", "first")):
        only = {key: _why_not(key, one, other, without) for key in sorted(one.texts.keys() - other.texts.keys())}
        for reason in sorted(set(only.values())):
            names = [key for key in only if only[key] == reason]
            yield f"{some(len(names), 'clip')} only in the {which}{reason}: {listed(names)}"
    if not set(first.values) & set(second.values) and not set(first.sets) & set(second.sets):
        yield (
            f"no measure is in both: {', '.join([*first.values, *first.sets])} against "
            f"{', '.join([*second.values, *second.sets])}"
        )


def _why_not(key: str, one: Results, other: Results, without: str) -> str:
    """Why a clip of the one is not among those of the other, where the other tells."""
    if key in other.excluded:
        return f", excluded from the {without} ({other.excluded[key].rstrip('.')})"
    missing = {_PARTLY.sub("", name) for name in other.missing}
    return f", missing in the {without}" if {key, one.videos.get(key, key)} & missing else ""


def _other_protocol(first: Results, second: Results) -> Iterator[str]:
    """Facts that differ, such as a hash of the true clips that only one knows; a measure that only one has is none."""
    one, other = (dict(results.protocol) for results in (first, second))
    if bool(one) != bool(other):
        yield (
            f"the {'second' if one else 'first'} has no protocol, the other has one: whether they are of the same true "
            "clips, sound and measures is not known"
        )
        return
    measures, other_measures = one.pop("measures", {}), other.pop("measures", {})
    if not first.protocol:
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
    if value is None:
        return "not known"
    text = " ".join(f"{name}={part}" for name, part in value.items()) if isinstance(value, dict) else str(value)
    return text[:12] if len(text) == 64 and " " not in text else text
