"""How fast are clips read, and does a worker's memory grow?

    python benchmarks/data.py [--clips 12] [--rounds 7]
    python benchmarks/data.py --memory [--reads 10000]

All arms read the same stretches of the same clips in one process with one thread: 12 frames of 256x256 px at 6 fps and
2 s of mono sound at 16 kHz. The ceiling is a bare loop with PyAV that opens the file, seeks, decodes the frames up to
the last one and scales the twelve, decodes the sound of the same stretch, and does nothing else. Rounds of all arms
follow each other, so that other work on the machine slows all of them. What counts is processor time. Then what a clip
costs that does not seek, and what workers give (data_reading.py), and how many cores one H100 needs (data_cost.py). The
result goes to benchmarks/results/data.md and .json (--memory: data_memory.md and .json).
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import av
import numpy as np
import torch
from data_cost import cores, count
from data_files import FPS, build_all, write_originals
from data_memory import measure_memory, report_memory
from data_reading import measure_seeking, measure_workers, read_frames
from data_reading import report as report_reading
from seeds import write_results

from asva_lightning.data.clips import ClipReader
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.media import ClipFormat

FORMAT = ClipFormat()
SECONDS = 10.0
ARMS = {
    "ceiling": "bare PyAV loop over the original mp4",
    "original": "shards of the original mp4 as they are",
    "encoded": "shards encoded again: `--height 256 --gop 12`",
    "ceiling of encoded": "bare PyAV loop over these",
    "latents": "shards of latents: `shards encode`",
}
TARGETS = {"original": ("ceiling", 0.8), "encoded": ("original", 3.0), "latents": ("original", 20.0)}


def bare_loop(path: Path, start: float) -> None:
    """What reading a clip takes at least."""
    with av.open(str(path)) as container:
        read_frames(container, start)
        audio = container.streams.audio[0]
        container.seek(round(start / audio.time_base), stream=audio)
        for piece in container.decode(audio):
            if piece.time >= start + FORMAT.seconds:
                break
            piece.to_ndarray()


def arms_of(folder: Path, shards: dict[str, list[SampleRecord]]) -> dict[str, Callable[[int, float], object]]:
    """How each arm reads clip ``n`` from ``start`` on."""
    reader = ClipReader(FORMAT)
    files = {kind: [_unpacked(sample, folder / f"files_{kind}") for sample in shards[kind]] for kind in
             ("original", "encoded")}  # fmt: skip
    arms: dict[str, Callable[[int, float], object]] = {
        "ceiling": lambda number, start: bare_loop(files["original"][number], start),
        "ceiling of encoded": lambda number, start: bare_loop(files["encoded"][number], start),
    }
    for kind, samples in shards.items():
        arms[kind] = lambda number, start, samples=samples: reader.read(samples[number], start, 0)
    return arms


def _unpacked(sample: SampleRecord, folder: Path) -> Path:
    path = folder / f"{sample.key}.{sample.media}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(sample.address, "rb") as shard:
        shard.seek(sample.offset)
        path.write_bytes(shard.read(sample.size))
    return path


def measure(folder: Path, clips: int, rounds: int) -> dict:
    """Clips a second of processor time, for every arm and round."""
    write_originals(folder / "originals", clips, SECONDS)
    shards = build_all(folder, folder / "originals")
    arms = arms_of(folder, shards)
    random = np.random.default_rng(0)
    starts = random.uniform(0, SECONDS - FORMAT.seconds - 0.1, clips)
    rates: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for turn in range(rounds + 1):
        for arm in ARMS:
            repeats = 20 if arm == "latents" else 1
            began = time.process_time()
            for _ in range(repeats):
                for number, start in enumerate(starts):
                    arms[arm](number, float(start))
            if turn:  # the first round warms up
                rates[arm].append(repeats * clips / (time.process_time() - began))
    more = {"cost": count(), "seeking": measure_seeking(folder, rounds), "workers": measure_workers(shards)}
    return {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "clips": clips,
        "rounds": rounds,
        "megabytes_a_clip": {
            kind: sum(sample.size for sample in samples) / clips / 1e6 for kind, samples in shards.items()
        },
        "clips_a_second": rates,
        **more,
    }


def machine() -> str:
    """Device and versions."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {version('torch')}, "
        f"PyAV {version('av')}, soxr {version('soxr')}"
    )


def _processor() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]  # fmt: skip
    return names[0] if names else platform.machine()


def report(results: dict) -> str:
    """A Markdown report."""
    rates = results["clips_a_second"]
    reading = report_reading(results["seeking"], results["workers"], ARMS)
    speed = {arm: median(rates[arm]) for arm in ARMS}
    ratio = {
        arm: {other: median(np.divide(rates[arm], rates[other])) for other in ("ceiling", "original")} for arm in ARMS
    }
    lines = [
        "# Reading clips", "",
        f"`python benchmarks/data.py`: {results['clips']} generated clips of {SECONDS:g} s, 640x360, {FPS} fps,",
        "H.264 with a keyframe every 250 frames at most, stereo AAC of 44.1 kHz. A read is 12 frames of 256x256 px",
        "at 6 fps and 2 s of mono sound at 16 kHz, from a random start. One thread; clips a second of processor time,",
        f"median of {results['rounds']} rounds; ratios are medians of the ratios within a round. The bare loop",
        "opens, seeks, decodes and scales the same frames, decodes the same sound, and does nothing else.", "",
        f"Machine: {results['machine']}; load at the end {results['load']:.1f}.", "",
        "| read from | clips/s per core | of the ceiling | times the originals | MB a clip | target |",
        "|---|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    for arm, about in ARMS.items():
        size = results["megabytes_a_clip"].get(arm)
        lines.append(
            f"| {about} | {speed[arm]:.1f} | {ratio[arm]['ceiling']:.0%} | {ratio[arm]['original']:.1f} "
            f"| {'' if size is None else f'{size:.2f}'} | {_verdict(arm, ratio)} |"
        )
    return "\n".join([*lines, "", *_latents_note(), "", *cores(results["cost"], speed, ARMS), "",
                      *reading]) + "\n"  # fmt: skip


def _verdict(arm: str, ratio: dict) -> str:
    if arm not in TARGETS:
        return ""
    other, least = TARGETS[arm]
    wanted = f"{least:.0%} of the ceiling" if other == "ceiling" else f"{least:g} times the originals"
    return f"{wanted}: {'met' if ratio[arm][other] >= least else 'MISSED'}"


def _latents_note() -> list[str]:
    return [
        "The latents are random numbers of the shape and type that `shards encode` keeps for 256x256 px and the codec",
        "of Stable Diffusion (mean and deviation of every frame, also mirrored): what reading costs does not depend on",
        "their values. All files were in the page cache.",
    ]


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--reads", type=int, default=10_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        if options.memory:
            results = measure_memory(Path(temporary), options.reads) | {"machine": machine()}
            write_results("data_memory", report_memory(results), results)
            return
        results = measure(Path(temporary), options.clips, options.rounds)
    write_results("data", report(results), results)


if __name__ == "__main__":
    main()
