"""What the tests of following found, as tables, figures and JSON files."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asva_lightning.evaluation.delay import DelayJudgement, delay_results, lag_scores
from asva_lightning.evaluation.results import Results, Score, markdown
from asva_lightning.evaluation.swap import SwapJudgement, recognised, swap_results, wilson_interval
from asva_lightning.files import write_text
from asva_lightning.pages.matrices import Matrix, matrices_svg
from asva_lightning.pages.panels import Point
from asva_lightning.pages.scatter import Scatter

LONGEST_TITLE = 34
"""Characters that fit above a small matrix."""

Facts = Mapping[str, str | float]
Protocol = Mapping[str, Any]


def swap_table(results: Results) -> str:
    """Top-1 accuracy overall and by class as a Markdown table, and the margin.

    The intervals of the accuracy are Wilson's, with each sound as one trial; ``of the truth`` is the accuracy with
    the true videos.

    Args:
        results: What :func:`~asva_lightning.evaluation.swap.swap_results` gave.
    """
    measures = [name.removeprefix("top-1 by ") for name in results.values if name.startswith("top-1 by ")]
    head = ["class", "sounds"]
    for measure in measures:
        head += [f"top-1 by {measure}", "95 % interval", "of the truth"]
    rows = [head]
    for title, text in _classes(results):
        sounds = results.overall if text is None else lambda name, text=text: results.of_class(name, text)
        row = [title, str(sounds(f"top-1 by {measures[0]}").count)]
        for measure in measures:
            top, truth = sounds(f"top-1 by {measure}"), sounds(f"top-1 of the truth by {measure}")
            row += [f"{top.mean:z.2f}", _ends(wilson_interval(top.mean, top.count)), f"{truth.mean:z.2f}"]
        rows.append(row)
    size, chance = results.facts["sounds of a group"], float(results.facts["chance"])
    about = f"Which of {size} sounds of its class made a video? Chance is {chance:z.2f}."
    gaps = {measure: results.overall(f"margin by {measure}") for measure in measures}
    margins = ", ".join(f"{gap.mean:+z.2f} ({_ends(gap)}) by {measure}" for measure, gap in gaps.items())
    below = f"A video's likeness to the sound that made it, above its mean likeness to the others: {margins}."
    return "\n".join([about, "", *markdown(rows), "", below])


def delay_table(results: Results, lags: Sequence[Score], delays: Sequence[float]) -> str:
    """Slope overall and by class, and the mean lag at each delay, as Markdown tables.

    Args:
        results: What :func:`~asva_lightning.evaluation.delay.delay_results` gave.
        lags: What :func:`~asva_lightning.evaluation.delay.lag_scores` gave.
        delays: The delays in seconds.
    """
    rows = [["class", "slope", "95 % interval", "correlation at the lag", "clips", "nothing moved"]]
    for title, text in _classes(results):
        slope, alike = (
            results.overall(name) if text is None else results.of_class(name, text) for name in ("slope", "correlation")
        )
        rows.append(
            [title, f"{slope.mean:z.2f}", _ends(slope), f"{alike.mean:z.2f}", str(slope.count), str(slope.left_out)]
        )
    by_delay = [["delay in s", "mean lag in s", "95 % interval", "clips"]]
    for delay, lag in zip(delays, lags):
        by_delay.append([f"{delay:+z.3f}", f"{lag.mean:+z.3f}", _ends(lag), str(lag.count)])
    about = "Does the motion move with its sound? Slope of its lag over the delay of the sound: 1 if it does, 0 if not."
    return "\n".join([about, "", *markdown(rows), "", *markdown(by_delay)])


def write_swap(
    folder: Path, judged: Sequence[SwapJudgement], facts: Facts | None = None, protocol: Protocol | None = None
) -> str:
    """Write ``results.json``, ``matrices.json``, ``table.md`` and a figure for each measure.

    Args:
        folder: Where to; it is made where missing.
        judged: What was found.
        facts: What else the numbers depend on.
        protocol: What must be equal before ``report`` compares the results with others.

    Returns:
        The table and the folder, to be printed.

    Raises:
        ConfigurationError: If there is no group, or they differ in size.
    """
    results = replace(swap_results(judged, facts), protocol=dict(protocol or {}))
    matrices = [
        {
            "group": found.group.name,
            "sounds": [clip.name for clip in found.group.clips],
            "mean likeness": {measure: found.matrix(measure).tolist() for measure in found.likeness},
        }
        for found in judged
    ]
    told = _write(folder, results, swap_table(results), "matrices.json", matrices)
    for measure in judged[0].likeness:
        write_text(folder / f"swap-{measure.replace(' ', '-')}.svg", swap_figure(judged, measure))
    return told


def write_delay(
    folder: Path,
    judged: Sequence[DelayJudgement],
    delays: Sequence[float],
    facts: Facts | None = None,
    protocol: Protocol | None = None,
) -> str:
    """Write ``results.json``, ``lags.json``, ``table.md`` and ``delay.svg``.

    Args:
        folder: Where to; it is made where missing.
        judged: What was found.
        delays: The delays in seconds.
        facts: What else the numbers depend on.
        protocol: What must be equal before ``report`` compares the results with others.

    Returns:
        The tables and the folder, to be printed.
    """
    results = replace(delay_results(judged, delays, facts), protocol=dict(protocol or {}))
    lags = {
        found.clip.name: {f"{delay:+z.3f}": None if math.isnan(lag) else lag for delay, lag in zip(delays, found.lags)}
        for found in judged
    }
    table = delay_table(results, lag_scores(judged, delays), delays)
    told = _write(folder, results, table, "lags.json", lags)
    write_text(folder / "delay.svg", delay_figure(judged, delays))
    return told


def swap_figure(judged: Sequence[SwapJudgement], measure: str) -> str:
    """The matrix of mean likeness of every group, as an SVG file."""
    matrices = []
    for found in judged:
        share = float(recognised(found.likeness[measure]).mean())
        title = found.group.clips[0].text or found.group.name
        title = title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1] + "…"
        matrices.append(Matrix(title, found.matrix(measure).tolist(), f"by {measure}: top-1 {share:z.2f}"))
    return matrices_svg(matrices, rows="sound that made it", columns="sound it is compared with")


def delay_figure(judged: Sequence[DelayJudgement], delays: Sequence[float]) -> str:
    """Lag over delay of every clip, their means, and the line of the slope, as an SVG file."""
    values = [(delay, lag) for found in judged for delay, lag in zip(delays, found.lags)]
    means = [Point(delay, of.mean, of.low, of.high) for delay, of in zip(delays, lag_scores(judged, delays))]
    score = delay_results(judged, delays).overall("slope")
    title = f"slope {score.mean:z.2f} [{score.low:z.2f}, {score.high:z.2f}], {score.count} clips"
    return Scatter(title, "delay of the sound in s", "lag of the motion in s", values, means, score.mean).svg()


def _classes(results: Results) -> list[tuple[str, str | None]]:
    """Title and class text of every row; the text is None for all."""
    return [("all", None), *((text, text) for text in results.classes if len(results.classes) > 1)]


def _ends(interval: Any) -> str:
    return f"{interval.low:z.2f} to {interval.high:z.2f}"


def _write(folder: Path, results: Results, table: str, details_name: str, details: Any) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    results.write(folder / "results.json")
    write_text(folder / details_name, json.dumps(details, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    facts = ", ".join(f"{name} {value}" for name, value in results.facts.items())
    write_text(folder / "table.md", f"{table}\n\n{facts}\n")
    return f"{table}\n\nwritten to {folder}\n"
