"""Does the small sync classifier learn, on every kind of event? Trained and tested as a user does.

    python benchmarks/sync_classifier.py [--seeds 0 1 2] [--folder FOLDER]

Each seed begins from an empty folder: shards are generated, the recipe is trained, and the test clips are judged by the
test protocol. The result goes to benchmarks/results/sync_classifier.md and .json. In a folder that is kept, a run that
has been trained is only tested.
"""

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean

from seeds import run_seeds

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "experiments" / "sync_classifier_synthsync.yaml"
DIRECTIONS = ("audio_to_video", "video_to_audio")


def run_seed(seed: int, folder: Path) -> dict:
    """Train and test one seed; returns scores and times."""
    words = [
        "--config", str(RECIPE), f"--seed_everything={seed}", f"--run.root={folder / 'runs'}",
        f"--data.shards={folder / 'shards'}",
    ]  # fmt: skip
    began = time.time()
    subprocess.run([sys.executable, "-m", "asva_lightning", "fit", *words], check=True, cwd=ROOT)
    trained = time.time()
    subprocess.run([sys.executable, "-m", "asva_lightning", "test", *words], check=True, cwd=ROOT)
    run = next((folder / "runs").iterdir())
    results = json.loads((run / "sync_accuracy.json").read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "facts": results["facts"],
        "scores": results["scores"],
        "minutes_to_trained": (trained - began) / 60,
        "minutes_of_test": (time.time() - trained) / 60,
    }


def cells(scores: dict, where: list[str]) -> list[str]:
    """One row of the table: both directions with their intervals, the mean of the two, the mean offset, the clips."""
    picked = {name: scores[name] for name in (*DIRECTIONS, "offset_seconds")}
    for key in where:
        picked = {name: score[key] for name, score in picked.items()}
    shares = [picked[name] for name in DIRECTIONS]
    return [
        *(f"{100 * share['mean']:.1f} [{100 * share['low']:.1f}, {100 * share['high']:.1f}]" for share in shares),
        f"{100 * mean(share['mean'] for share in shares):.1f}",
        f"{picked['offset_seconds']['mean']:.3f}",
        str(shares[0]["count"]),
    ]


def report(results: list[dict]) -> str:
    """A Markdown report."""
    facts, chance = results[0]["facts"], 100 * results[0]["facts"]["chance"]
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {version('torch')}, "
        f"lightning {version('lightning')}"
    )
    seeds = " ".join(str(result["seed"]) for result in results)
    lines = [
        "# Sync classifier on SynthSync",
        "",
        f"`python benchmarks/sync_classifier.py --seeds {seeds}`: test clips that were never trained on. Of each,",
        f"{facts['shifted clips']} clips {facts['seconds apart']:g} s apart; right within "
        f"{facts['right within places']} places. Accuracy in % [95 % interval over clips].",
        f"**Chance is {chance:.1f} %.**",
        "",
        f"Machine: {machine}.",
        "",
        "| seed | kind | audio to video | video to audio | mean | mean offset, s | clips |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for result in results:
        scores = result["scores"]
        rows = {"all": ["all"]} | {text: ["classes", text] for text in scores[DIRECTIONS[0]]["classes"]}
        lines += [f"| {result['seed']} | {name} | {' | '.join(cells(scores, where))} |" for name, where in rows.items()]
    lines.append("")
    lines += [
        f"Seed {result['seed']}: {result['minutes_to_trained']:.1f} minutes to trained, with shards if they were "
        f"missing; {result['minutes_of_test']:.1f} minutes of test."
        for result in results
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_seeds(__doc__, "sync_classifier", [0, 1, 2], run_seed, report)
