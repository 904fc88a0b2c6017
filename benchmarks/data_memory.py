"""The memory of a worker that reads many clips; run by benchmarks/data.py --memory."""

import multiprocessing
from pathlib import Path

from data_files import samples_of, write_originals

from asva_lightning.data import MediaFolder, build
from asva_lightning.data.clips import ClipReader, TrainingClips
from asva_lightning.data.loader import Reading, TrainingLoader
from asva_lightning.media import ClipFormat

FORMAT = ClipFormat(frames=12, fps=6, height=64, width=64)
BATCH = 20


def measure_memory(folder: Path, reads: int) -> dict:
    """Resident memory of one worker, in MiB, each time that it has read a twentieth of all clips."""
    write_originals(folder / "originals", clips=16, seconds=3.0, height=90, width=160)
    shards = build(MediaFolder(str(folder / "originals"), test_share=0.0), folder / "shards").output
    clips = TrainingClips(ClipReader(FORMAT), samples_of(shards), seed=0)
    loader = TrainingLoader(clips, BATCH, reading=Reading(workers=1))
    every = max(1, reads // 20 // BATCH)
    read, mebibytes = [], []
    for number, _ in zip(range(1, reads // BATCH + 1), loader):
        if number == 1 or number % every == 0:
            (worker,) = multiprocessing.active_children()
            read.append(number * BATCH)
            mebibytes.append(_resident(worker.pid))
    return {"reads": read, "mebibytes": mebibytes}


def _resident(process: int | None) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def report_memory(results: dict) -> str:
    """A Markdown report."""
    read, mebibytes = results["reads"], results["mebibytes"]
    half = len(read) // 2
    growth = (mebibytes[-1] - mebibytes[half]) / (read[-1] - read[half]) * 1000
    return "\n".join(
        [
            "# Memory of a worker", "",
            f"`python benchmarks/data.py --memory`: a worker process reads {read[-1]} clips of 64x64 px from 16",
            "files of 160x90 px.", "",
            f"Machine: {results['machine']}.", "",
            "| clips read | resident memory, MiB |", "|---:|---:|",
            *(f"| {count} | {size:.1f} |" for count, size in zip(read, mebibytes)), "",
            f"Over the second half it grows by {growth:.2f} MiB per 1000 clips.",
        ]
    ) + "\n"  # fmt: skip
