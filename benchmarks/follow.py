r"""Do the sound swap and the delay test tell a model that listens from one that cannot?

    python -m asva_lightning fit --config experiments/quickstart.yaml
    python -m asva_lightning fit --config experiments/quickstart.yaml --config experiments/ablations/no_audio.yaml \
        --run.name quickstart-no-audio
    python benchmarks/follow.py runs/quickstart-HASH runs/quickstart-no-audio-HASH [--clips 5] [--groups 2]

Both runs are given the same SynthSync clips, of a seed that they have not seen. The first is the one that should
follow. The result goes to benchmarks/results/follow.md and .json.

The recipe has 800 steps. benchmarks/results/follow.md is of 600: its runs are the rows `method` and `no_audio`, seed 0,
of `python -m asva_lightning sweep experiments/sweeps/method.yaml`, given to this file as above.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import yaml
from seeds import write_results

from asva_lightning.data import SynthSync, SynthSyncSource, build
from asva_lightning.data.build import is_built
from asva_lightning.evaluation.results import Results
from asva_lightning.evaluation.swap import wilson_interval
from asva_lightning.training.follow import follow_delay, follow_swap

UNSEEN = 1000
"""Seed of the clips."""
MEASURES = ("onsets", "true motion")


def make_shards(run: Path, folder: Path, clips: int, groups: int) -> str:
    """Shards of the kinds and size that a run was trained on, with enough test clips for every class."""
    data = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["data"]
    kinds, shape = data["generator"]["kinds"], data["format"]
    source = SynthSync(
        kinds=kinds, train=1, validation=1, test=len(kinds) * clips * groups, height=shape["height"],
        width=shape["width"], two_objects=data["generator"]["two_objects"], seed=UNSEEN,
    )  # fmt: skip
    if not is_built(folder / "shards"):
        build(SynthSyncSource(source), folder / "shards")
    return str(folder / "shards")


def measure(run: Path, shards: str, folder: Path, clips: int, groups: int) -> dict[str, Any]:
    """Both tests of one run."""
    follow_swap(shards, checkpoint=str(run), output=str(folder / "swap"), clips=clips, groups=groups)
    follow_delay(shards, checkpoint=str(run), output=str(folder / "delay"), clips=clips * groups)
    swap = Results.read(folder / "swap" / "results.json")
    found: dict[str, Any] = {"chance": swap.facts["chance"]}
    for name in MEASURES:
        top = swap.overall(f"top-1 by {name}")
        interval = wilson_interval(top.mean, top.count)
        found[f"top-1 by {name}"] = {"mean": top.mean, "low": interval.low, "high": interval.high, "count": top.count}
        found[f"of the truth by {name}"] = swap.overall(f"top-1 of the truth by {name}").mean
    found["slope"] = vars(Results.read(folder / "delay" / "results.json").overall("slope"))
    return found


def report(results: dict[str, Any], words: str) -> str:
    """A Markdown report."""
    names = [*(f"top-1 by {name}" for name in MEASURES), "slope"]
    listening, other = results.values()
    truth = ", ".join(f"{listening[f'of the truth by {name}']:.2f} by {name}" for name in MEASURES)
    lines = [
        "# Does the generator follow the sound?",
        "",
        f"`python benchmarks/follow.py {words}`: SynthSync clips that no run has seen. Top-1 with Wilson's 95 %",
        "interval over sounds, slope with a bootstrap interval over clips.",
        f"Chance of top-1 is {listening['chance']:.2f}; the true videos reach {truth}.",
        "",
        f"| run | {' | '.join(names)} | sounds | clips | nothing moved |",
        "|---|" + "---|" * len(names) + "---:|---:|---:|",
    ]
    for run, found in results.items():
        cells = [_cell(found[name]) for name in names]
        counts = found[names[0]]["count"], found["slope"]["count"], found["slope"]["left_out"]
        lines.append(f"| {run} | {' | '.join(cells)} | {' | '.join(map(str, counts))} |")
    apart = [name for name in names if listening[name]["low"] > other[name]["high"]]
    lines += ["", f"Intervals that lie apart: {', '.join(apart) or 'none'}."]
    return "\n".join(lines) + "\n"


def _cell(found: dict[str, Any]) -> str:
    return f"{found['mean']:z.2f} [{found['low']:z.2f}, {found['high']:z.2f}]"


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listening", type=Path, help="folder of the run that should follow")
    parser.add_argument("other", type=Path, help="folder of the run that cannot")
    parser.add_argument("--clips", type=int, default=5, help="clips that are crossed")
    parser.add_argument("--groups", type=int, default=2, help="such groups of each class")
    parser.add_argument("--folder", type=Path, help="where to keep videos and figures; a temporary one if not given")
    options = parser.parse_args()
    if options.listening.name == options.other.name:
        parser.error("the two runs have the same name")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        shards = make_shards(options.listening, folder, options.clips, options.groups)
        runs = {"listening": options.listening, "other": options.other}
        results = {
            run.name: measure(run, shards, folder / name, options.clips, options.groups) for name, run in runs.items()
        }
    words = f"{options.listening.name} {options.other.name} --clips {options.clips} --groups {options.groups}"
    write_results("follow", report(results, words), results)


if __name__ == "__main__":
    main()
