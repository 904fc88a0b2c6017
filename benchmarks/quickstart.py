"""Does the quickstart teach, and how long does it take? Three seeds, each as a user starts it.

    python benchmarks/quickstart.py [--seeds 0 1 2] [--folder FOLDER]

Each seed begins from an empty folder: shards are generated, the recipe is trained, and the sound-swap table is made.
The result goes to benchmarks/results/quickstart.md and .json.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean

from seeds import run_seeds

ROOT = Path(__file__).parent.parent
ROWS = ("truth", "right_sound", "other_sound", "still")


def run_seed(seed: int, folder: Path) -> dict:
    """Train one seed from nothing; returns scores and times."""
    began = time.time()
    command = [
        sys.executable, "-m", "asva_lightning", "fit", "--config", str(ROOT / "experiments" / "quickstart.yaml"),
        f"--seed_everything={seed}", f"--run.root={folder / 'runs'}", f"--data.shards={folder / 'shards'}",
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT)
    ended = time.time()
    run = next((folder / "runs").iterdir())
    scores = {row: json.loads((run / "sound_swap" / f"{row}.json").read_text())["scores"] for row in ROWS}
    trained = max((run / "checkpoints").glob("step_*.ckpt")).stat().st_mtime
    shards = (folder / "shards" / "dataset.json").stat().st_mtime
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "seed": seed,
        "motion_correlation": {row: scores[row]["motion_correlation"]["all"] for row in ROWS},
        "minutes_to_trained": (trained - began) / 60,
        "of_which_start_and_shards": (shards - began) / 60,
        "minutes_in_all": (ended - began) / 60,
        "peak_memory_gib_of_the_largest_process": kilobytes / 2**20,
    }


def report(results: list[dict]) -> str:
    """A Markdown report."""
    facts = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {version('torch')}, "
        f"lightning {version('lightning')}"
    )
    lines = [
        "# Quickstart",
        "",
        "`python benchmarks/quickstart.py`: each seed from an empty folder. Motion correlation with the truth (Pearson",
        "r per test clip between the motion curves of sample and truth), mean [95 % interval over clips].",
        "",
        f"Machine: {facts}.",
        "",
        "| seed | right sound | another clip's sound | still picture | clips | minutes to trained, with shards "
        "| minutes in all | GiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        of = result["motion_correlation"]
        cells = [f"{of[row]['mean']:.3f} [{of[row]['low']:.3f}, {of[row]['high']:.3f}]" for row in ROWS[1:]]
        lines.append(
            f"| {result['seed']} | {' | '.join(cells)} | {of['right_sound']['count']} "
            f"| {result['minutes_to_trained']:.1f} | {result['minutes_in_all']:.1f} "
            f"| {result['peak_memory_gib_of_the_largest_process']:.1f} |"
        )
    right = mean(result["motion_correlation"]["right_sound"]["mean"] for result in results)
    other = mean(result["motion_correlation"]["other_sound"]["mean"] for result in results)
    lines += [
        "",
        f"Mean of {len(results)} seeds: {right:.3f} with the right sound, {other:.3f} with another clip's, "
        f"a difference of {right - other:.3f}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_seeds(__doc__, "quickstart", [0, 1, 2], run_seed, report)
