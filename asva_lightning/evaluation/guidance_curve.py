"""Scores over the scale of guidance: a table and a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asva_lightning.evaluation.bootstrap import Score
from asva_lightning.evaluation.results import Results, markdown
from asva_lightning.files import write_text
from asva_lightning.pages.panels import Panel, Point, panels_svg


def write_guidance_curve(folder: Path, results: Mapping[float, Results]) -> str:
    """Write ``guidance.md``, one row a scale, and ``guidance.svg``, one chart a measure.

    Args:
        folder: Where to.
        results: Scale of guidance by sound to the results of the clips that were made with it.

    Returns:
        The table.
    """
    ordered = {scale: results[scale] for scale in sorted(results)}
    table = guidance_table(ordered)
    write_text(folder / "guidance.md", table + "\n")
    write_text(folder / "guidance.svg", guidance_svg(ordered))
    return table


def guidance_table(results: Mapping[float, Results]) -> str:
    """A Markdown table: one row a scale, one column a measure, each with its 95 % interval.

    Above it are the facts that all scales share, and what was done as the original did by mistake.
    """
    measures = list(next(iter(scores_of(one) for one in results.values())))
    rows = [("guidance", *measures, "clips", "excluded")]
    for scale, one in results.items():
        scores = scores_of(one)
        cells = [f"{scores[name].mean:.3f} [{scores[name].low:.3f}, {scores[name].high:.3f}]" for name in measures]
        rows.append((f"{scale:g}", *cells, str(len(one.texts)), str(len(one.excluded))))
    legacy = dict.fromkeys(line for one in results.values() for line in one.about_legacy() if line)
    above = [line for line in (shared_facts(list(results.values())), *legacy) if line]
    return "\n".join([*(part for line in above for part in (line, "")), *markdown(rows)])


def shared_facts(results: Sequence[Results]) -> str:
    """What the numbers depend on (format, seed, weights of the judges and so on), where it is the same in all."""
    first, *others = (one.facts for one in results)
    told_below = ("clips", "videos", "legacy")
    return ", ".join(
        f"{name} {value}"
        for name, value in first.items()
        if name not in told_below and all(other.get(name) == value for other in others)
    )


def guidance_svg(results: Mapping[float, Results]) -> str:
    """A chart for each measure: mean and interval over the scale."""
    legacy = any(one.about_legacy() for one in results.values())
    by_scale = {scale: scores_of(one) for scale, one in results.items()}
    return panels_svg(
        [
            Panel(
                name,
                [Point(scale, of[name].mean, of[name].low, of[name].high) for scale, of in by_scale.items()],
                "guidance by sound" + ", legacy: see guidance.md" * legacy,
            )
            for name in next(iter(by_scale.values()))
        ]
    )


def scores_of(results: Results) -> dict[str, Score]:
    """Every measure's score of all clips, those of sets included."""
    of_sets = {name: scores["all"] for name, scores in results.sets.items()}
    return {name: results.overall(name) for name in results.values} | of_sets
