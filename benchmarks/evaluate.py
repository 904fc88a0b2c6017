"""How long does it take to score clips by all measures that need no weights?

    python benchmarks/evaluate.py [--clips 450] [--workers 2]

Clips of 12 frames at 6 a second and 256 x 256 pixels, three of each of a third as many SynthSync videos, encoded anew.
Compared in one run: one process that goes clip by clip, where each measure reads both files and computes its own motion
and onsets, as measures do that do not know of each other; and `evaluate` with one and with several processes, from
starting them to the written results. Then, what memory the clips cost: `evaluate` in a fresh process with a quarter of
them, and with all. The result goes to benchmarks/results/evaluate.md and .json.
"""

import argparse
import logging
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from seeds import write_results

from asva_lightning.data import SynthSync
from asva_lightning.evaluation.evaluate import Evaluation, evaluate
from asva_lightning.evaluation.judging import PairJudge, check_generated
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.pairing import Pairing, pair
from asva_lightning.evaluation.references import open_references
from asva_lightning.evaluation.results import Results
from asva_lightning.media import ClipFormat, is_silent, read_clip, write_clip
from asva_lightning.metrics.clip import EvaluatedClip

SIDE, CLIPS_EACH = 256, 3
SOURCE_FPS = 30.0
FORMAT = ClipFormat()


def make_clips(folder: Path, clips: int) -> tuple[Path, Path]:
    """Write true videos, and three clips of each, encoded anew, as a system would call them."""
    videos = -(-clips // CLIPS_EACH)
    data = SynthSync(test=videos, height=SIDE, width=SIDE, fps=SOURCE_FPS)
    true, generated = folder / "true", folder / "generated"
    for number in range(videos):
        clip = data.render("test", number)
        file = true / clip.kind / f"{clip.key}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_clip(file, clip.pixels, clip.fps, clip.waveform, FORMAT.sample_rate)
        for turn, start in enumerate(np.linspace(0, clip.seconds - FORMAT.seconds, CLIPS_EACH)):
            part = read_clip(file, FORMAT, float(start))
            generated.mkdir(exist_ok=True)
            name = f"{clip.key}_clip-{turn:02d}.mp4"
            write_clip(generated / name, part.pixels, FORMAT.fps, part.waveform, FORMAT.sample_rate, quality=30)
    return true, generated


def one_by_one(pairs: list[Pairing]) -> dict[str, dict[str, float]]:
    """Every measure on its own: it reads both files and shares nothing."""
    values: dict[str, dict[str, float]] = {}
    for one in pairs:
        for name, measure in PanelDescription.of(None).build().of_clips.items():
            truth = read_clip(one.reference.open(), FORMAT, one.place(FORMAT.seconds, CLIPS_EACH))
            check_generated(one.path, FORMAT)
            clip = read_clip(one.path, FORMAT)
            assert not is_silent(clip.waveform)
            judged = EvaluatedClip(one.key, clip.pixels, clip.waveform, one.reference.text, truth.pixels)
            values.setdefault(name, {})[one.key] = measure.measure(judged, FORMAT)
    return values


def timed(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What a function returns; seconds on the clock and of all processors, its processes included."""
    clock, used = time.perf_counter(), processor_seconds()
    result = function()
    return result, {"seconds": time.perf_counter() - clock, "processor_seconds": processor_seconds() - used}


def processor_seconds() -> float:
    """Of this process and those that it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def most_memory(evaluation: Evaluation, output: Path, workers: int) -> float:
    """Evaluate; the most memory that one process, this or one of its workers, has held, in GiB."""
    evaluate(evaluation, output, workers)
    both = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(both) / 2**20


def memory_by_clips(evaluation: Evaluation, folder: Path, workers: int) -> dict[str, float]:
    """Most memory for a quarter of the clips and for all, each in a process of its own that has held nothing before."""
    pairs = evaluation.pairings.pairs
    found = {}
    for count in (max(1, len(pairs) // 4), len(pairs)):
        part = replace(evaluation, pairings=replace(evaluation.pairings, pairs=pairs[:count]))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            found[str(count)] = fresh.submit(most_memory, part, folder / f"memory{count}.json", workers).result()
    return found


def same(results: Results, values: dict[str, dict[str, float]]) -> bool:
    """Whether both ways give the same numbers."""
    return all(
        math.isclose(results.values[name][key], value, rel_tol=1e-5, abs_tol=1e-6)
        or (math.isnan(results.values[name][key]) and not math.isfinite(value))
        for name, of_clips in values.items()
        for key, value in of_clips.items()
    )


def report(results: dict[str, Any]) -> str:
    """A Markdown report."""
    base, options = results["ways"]["one by one"], f"--clips {results['clips']} --workers {results['workers']}"
    memory = " and ".join(f"{gib:.2f} GiB for {count} clips" for count, gib in results["most_memory_gib"].items())
    lines = [
        "# Scoring by all measures that need no weights",
        "",
        f"`python benchmarks/evaluate.py {options}`: clips of 12 frames",
        f"at 6 a second, {SIDE} x {SIDE} pixels; {', '.join(results['measures'])}.",
        "One by one: each measure reads both files and computes its own motion and onsets. evaluate: from starting the",
        f"processes to the written results. All values equal: {'yes' if results['equal'] else 'no'}.",
        "",
        f"Most memory of one process of evaluate, {results['workers']} at work: {memory}.",
        "",
        "On a machine that others use too the clock tells little. Processor seconds divided by the number of",
        "processes are about what the clock shows where each process has a core of its own.",
        "",
        "| way | s on the clock | processor s | processor s, per process | faster by that | faster by the clock |",
        "|---|---|---|---|---|---|",
    ]
    for name, way in results["ways"].items():
        per_process = way["processor_seconds"] / way["processes"]
        cells = f"{way['seconds']:.1f} | {way['processor_seconds']:.1f} | {per_process:.1f}"
        faster = f"{base['processor_seconds'] / per_process:.2f} | {base['seconds'] / way['seconds']:.2f}"
        lines.append(f"| {name} | {cells} | {faster} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=450)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    logging.getLogger("asva_lightning").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        true, generated = make_clips(Path(folder), options.clips)
        pairings = pair(str(generated), open_references(str(true)), CLIPS_EACH)
        panel = PanelDescription.of(None)
        panel.build()
        evaluation = Evaluation(pairings, PairJudge(FORMAT, panel), "", "test")
        one_by_one(pairings.pairs[:1])  # so that nobody pays for imports and tables that are made once
        values, alone = timed(lambda: one_by_one(pairings.pairs))
        ways = {"one by one": {"processes": 1.0, **alone}}
        equal = True
        for workers in (1, options.workers):
            output = Path(folder) / f"results{workers}.json"
            results, took = timed(lambda output=output, workers=workers: evaluate(evaluation, output, workers))
            ways[f"evaluate, {workers} process{'es' * (workers > 1)}"] = {"processes": workers, **took}
            equal = equal and same(results, values)
        memory = memory_by_clips(evaluation, Path(folder), options.workers)
    content = {
        "clips": len(pairings.pairs), "workers": options.workers, "measures": list(values), "ways": ways,
        "equal": equal, "most_memory_gib": memory,
    }  # fmt: skip
    write_results("evaluate", report(content), content)


if __name__ == "__main__":
    main()
