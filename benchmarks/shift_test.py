"""Which measures of synchrony tell true sound from shifted sound, and of which kinds of clips?

    python benchmarks/shift_test.py [--classifier RUN] [--real FOLDER] [--workers 2]

80 SynthSync test clips, 10 of each kind, are made and put to the test of `evaluate --shift-test`, at the frame rate of
the source and at 6 frames a second; with --real so are the media files of a folder, at 15 and at 6. The measures are
those of synchrony that need no weights, and the sync classifier of a run folder of SyncTask, if one is named. The
result goes to benchmarks/results/shift_test.md and .json.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from seeds import write_results

from asva_lightning.data import SynthSync, SynthSyncSource, build
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.references import Reference, open_references
from asva_lightning.evaluation.shift_report import NEAR, ShiftReport
from asva_lightning.evaluation.shift_test import ShiftJudge, judge_shifted
from asva_lightning.media import ClipFormat

MEASURES = ["onset_f1", "onset_motion_correlation", "av_align"]
CLASSIFIER = "asva_lightning.evaluation.sync_classifier.SyncClassifierScore"
NEAR_KEY = f"auc at {NEAR:g} s"
CLIPS, SIDE, RATES = 80, 64, (30, 6)
REAL_SIDE, REAL_RATES = 128, (15, 6)
SECONDS = 2
DISCRETE = ("ball", "drum", "hammer", "lamp", "firework")
"""Kinds whose sound has one distinct event for each event of the picture."""

Judging = tuple[PanelDescription, int]
"""The measures, and in how many processes they judge."""

Tests = dict[str, dict[str, Any]]
"""Frame rate to what :func:`summary` keeps."""

FIVE, ALL = "the five together", "all eight"


def tested(clips: list[Reference], rates: tuple[int, ...], side: int, judged_by: Judging) -> dict[str, ShiftReport]:
    """The shift test at several frame rates."""
    formats = {f"{rate}": ClipFormat(SECONDS * rate, rate, side, side) for rate in rates}
    panel, workers = judged_by
    return {rate: judge_shifted(clips, ShiftJudge(format, panel), workers=workers) for rate, format in formats.items()}


def groups_of_kinds(report: ShiftReport) -> dict[str, ShiftReport]:
    """The clips of each kind, those of the discrete kinds together, and all."""
    texts = SynthSync().texts
    others = [kind for kind in texts if kind not in DISCRETE]
    kinds = {FIVE: DISCRETE, ALL: tuple(texts)} | {kind: (kind,) for kind in texts}
    return {name: of_kinds(report, {texts[kind] for kind in kinds[name]}) for name in (*DISCRETE, FIVE, *others, ALL)}


def of_kinds(report: ShiftReport, texts: set[str]) -> ShiftReport:
    """The same test of some kinds of clips only."""
    return replace(report, clips={key: clip for key, clip in report.clips.items() if clip["text"] in texts})


def summary(report: ShiftReport, groups: dict[str, ShiftReport]) -> dict[str, Any]:
    """The numbers of one test that are kept."""
    near = report.conditions[f"{NEAR:g} s"]
    return {
        "clips": len(report.clips),
        "excluded": len(report.excluded),
        "measures": {
            measure: {
                "higher is better": report.higher_is_better[measure],
                "right": report.score(measure, ("right",)).mean,
                "slope": vars(report.slope(measure)),
                "auc": {name: area(report, measure, keys) for name, keys in report.conditions.items()},
                NEAR_KEY: {name: area(group, measure, near) for name, group in groups.items()},
            }
            for measure in report.measures
        },
    }


def area(report: ShiftReport, measure: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """How often the right clip is better: of all pairs, and of pairs of the same clip with its interval."""
    telling = report.telling(measure, keys)
    paired = telling.paired
    return {"unpaired": telling.unpaired, "paired": [paired.mean, paired.low, paired.high], "clips": telling.count}


def table(tests: Tests, first: str, part: str, cell: Callable[[dict[str, Any]], str]) -> list[str]:
    """A row for each name in that part of the summaries, a column for each measure, a number for each frame rate."""
    names = next(iter(tests.values()))["measures"]
    measures = [[test["measures"][name] for test in tests.values()] for name in names]
    rows = [[first, *(f"`{name}`" for name in names)], ["---"] * (len(names) + 1)]
    for name in measures[0][0][part]:
        rows.append([name, *(" / ".join(cell(of[part][name]) for of in rates) for rates in measures)])
    slopes = [" / ".join(f"{of['slope']['mean']:.2f}" for of in rates) for rates in measures]
    rows.append([f"all: slope to {NEAR:g} s, per second", *slopes])
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]


def unpaired(of: dict[str, Any]) -> str:
    """The AUC over all pairs."""
    return f"{of['unpaired']:.2f}"


def paired(of: dict[str, Any]) -> str:
    """The AUC over pairs of the same clip, with its interval."""
    mean, low, high = of["paired"]
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


def described(tests: Tests) -> str:
    """The frame rates of a table's numbers, and how many clips they are of."""
    clips, excluded = (max(test[name] for test in tests.values()) for name in ("clips", "excluded"))
    return f"{' / '.join(tests)} frames a second; {clips} clips, {excluded} excluded"


def report_text(results: dict[str, Any]) -> str:
    """A Markdown report."""
    synthetic, real = results["synthsync"], results["real"]
    judge = ["Sync classifier: " + results["classifier"] + ".", ""] if results["classifier"] else []
    lines = [
        "# Shift test of the measures of synchrony",
        "",
        f"`python benchmarks/shift_test.py`: the middle {SECONDS} s of each clip. The AUC says how often true sound is",
        "better than shifted sound of any clip (0.5 tells nothing).",
        "",
        *judge,
        f"## SynthSync, {SIDE} x {SIDE} pixels",
        "",
        f"AUC at {NEAR:g} s of shift, at {described(synthetic)}:",
        "",
        *table(synthetic, "kind", NEAR_KEY, unpaired),
        "All kinds, every condition:",
        "",
        *table(synthetic, "condition", "auc", unpaired),
    ]
    if real:
        lines += [
            f"## Real video, {REAL_SIDE} x {REAL_SIDE} pixels",
            "",
            f"AUC at {described(real)}; {results['real_classes']} kinds:",
            "",
            *table(real, "condition", "auc", unpaired),
            "AUC over pairs of the same clip (95 % interval over clips):",
            "",
            *table(real, "condition", "auc", paired),
        ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", help="a run folder of SyncTask, trained on SynthSync")
    parser.add_argument("--real", help="a folder of media files")
    parser.add_argument("--clips", type=int, default=CLIPS, help="SynthSync clips")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    judges = {"sync_classifier": {"class_path": CLASSIFIER, "init_args": {"weights": options.classifier}}}
    panel = PanelDescription.of(MEASURES, judges if options.classifier else None)
    weights = panel.build().weights().get("sync_classifier", "")
    with tempfile.TemporaryDirectory() as folder:
        clips = SynthSync(train=1, validation=1, test=options.clips, height=SIDE, width=SIDE)
        shards = build(SynthSyncSource(clips), Path(folder) / "shards", workers=options.workers).output
        synthetic = tested(open_references(str(shards)), RATES, SIDE, (panel, options.workers))
    real = {}
    if options.real:
        real = tested(open_references(options.real), REAL_RATES, REAL_SIDE, (panel, options.workers))
    results = {
        "classifier": f"{Path(options.classifier).name}, weights {weights[:12]}" if options.classifier else "",
        "synthsync": {rate: summary(one, groups_of_kinds(one)) for rate, one in synthetic.items()},
        "real": {rate: summary(one, {}) for rate, one in real.items()},
        "real_classes": len(next(iter(real.values())).classes) if real else 0,
    }
    write_results("shift_test", report_text(results), results)


if __name__ == "__main__":
    main()
