"""What does it gain that OpenMP's threads wait for each other without spinning, and what does it cost?

    python benchmarks/threads.py [--rounds 3]

``python -m asva_lightning`` sets ``OMP_WAIT_POLICY=PASSIVE`` where nothing is said. Compared in one run: 100 small
convolutions with their activation and normalisation, in a fresh process with and without it, on a machine that is left
alone and on one where as many other processes compute as there are cores. The result goes to
benchmarks/results/threads.md and .json.
"""

import argparse
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from statistics import median

from seeds import write_results

WORK = """
import time
import torch
from torch.nn.functional import conv2d, group_norm, silu
pictures, weights = torch.randn(8, 64, 32, 32), torch.randn(64, 64, 3, 3)
conv2d(pictures, weights, padding=1)
began = time.perf_counter()
for _ in range(100):
    group_norm(silu(conv2d(pictures, weights, padding=1)), 8)
print(time.perf_counter() - began)
"""
WAYS = {"as OpenMP has it": {}, "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"}}


def seconds(environment: dict[str, str]) -> float:
    """How long the work takes in a process of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", WORK]
    return float(subprocess.run(command, env=own | environment, check=True, capture_output=True, text=True).stdout)


def measure(rounds: int, others: int) -> dict[str, list[float]]:
    """Seconds of every round, way after way within a round, beside so many processes that compute."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    try:
        taken = [{way: seconds(environment) for way, environment in WAYS.items()} for _ in range(rounds)]
    finally:
        for process in busy:
            process.kill()
    return {way: [of_round[way] for of_round in taken] for way in WAYS}


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cores = os.cpu_count() or 1
    found = {"nothing else": measure(rounds, 0), f"{cores} busy processes": measure(rounds, cores)}
    lines = [
        "# Threads that wait without spinning",
        "",
        f"`python benchmarks/threads.py --rounds {rounds}`: seconds of 100 small convolutions, median of {rounds}",
        f"rounds. {platform.machine()}, {cores} cores, torch {version('torch')}.",
        "",
        "| beside | " + " | ".join(WAYS) + " | times as fast |",
        "|---|" + "---:|" * (len(WAYS) + 1),
    ]
    for beside, ways in found.items():
        plain, passive = (median(taken) for taken in ways.values())
        lines.append(f"| {beside} | {plain:.2f} | {passive:.2f} | {plain / passive:.2f} |")
    write_results("threads", "\n".join(lines) + "\n", {"cores": cores, "seconds": found})


if __name__ == "__main__":
    main()
