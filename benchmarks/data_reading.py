"""Two choices of the reader, measured for benchmarks/data.py: to seek instead of scanning, and how many workers."""

import time
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from data_files import FPS, write_originals

from asva_lightning.data.clips import ClipReader, TrainingClips
from asva_lightning.data.loader import Reading, TrainingLoader
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.media import ClipFormat, Encoding, reencode

FORMAT = ClipFormat()
LONG = 30.0
PLACES = (0.0, 7.0, 14.0, 21.0, 27.9)
"""Where windows begin in a file of so many seconds."""
FILES = {"original": "original mp4", "encoded": "the same, encoded again: `--height 256 --gop 12`"}
BATCH, BATCHES, WARM_UP = 8, 10, 2


def read_frames(container: InputContainer, start: float, seek: bool = True) -> None:
    """Decode and scale the frames of a clip: from the last keyframe before it on, or from the start of the file."""
    last = start + FORMAT.times[-1]
    video = container.streams.video[0]
    video.thread_type, video.codec_context.thread_count = "NONE", 1
    if seek:
        container.seek(round(start / video.time_base), stream=video)
    wanted = [start + moment for moment in FORMAT.times]
    colours = av.video.reformatter.VideoReformatter()
    for frame in container.decode(video):
        while wanted and frame.time + 0.5 / FPS >= wanted[0]:
            wanted.pop(0)
            colours.reformat(frame, FORMAT.width, FORMAT.height, "rgb24", threads=1).to_ndarray()
        if frame.time >= last:
            break


def measure_seeking(folder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of processor time a window takes at each place, by file and way: the median of the rounds."""
    write_originals(folder / "long", 1, LONG)
    original = folder / "long" / "class_0" / "0.mp4"
    encoded = folder / "encoded.mp4"
    reencode(original, encoded, Encoding(height=256, gop=12, sound_rate=16_000))
    return {
        name: {way: [_milliseconds(path, place, way == "seek", rounds) for place in PLACES] for way in ("seek", "scan")}
        for name, path in (("original", original), ("encoded", encoded))
    }


def _milliseconds(path: Path, start: float, seek: bool, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        with av.open(str(path)) as container:
            read_frames(container, start, seek)
        taken.append(1000 * (time.process_time() - began))
    return median(taken)


def measure_workers(shards: dict[str, list[SampleRecord]]) -> dict[str, dict[int, float]]:
    """Clips a second of time on the clock that a training loader gives, by kind of shards and number of workers."""
    return {
        kind: {workers: _clips_a_second(shards[kind], workers) for workers in (0, 1, 2)}
        for kind in ("original", "encoded")
    }


def _clips_a_second(samples: list[SampleRecord], workers: int) -> float:
    clips = TrainingClips(ClipReader(FORMAT), samples, seed=0)
    batches = iter(TrainingLoader(clips, BATCH, reading=Reading(workers=workers)))
    for _ in range(WARM_UP):
        next(batches)
    began = time.perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return BATCH * BATCHES / (time.perf_counter() - began)


def report(seeking: dict[str, dict[str, list[float]]], workers: dict[str, dict[int, float]],
           arms: dict[str, str]) -> list[str]:  # fmt: skip
    """Lines of the report."""
    return [
        "## Seeking or scanning", "",
        "What the frames of a clip cost, in milliseconds of processor time, where decoding begins at the last keyframe",
        "before the clip (`seek`, as the reader does) or at the start of the file (`scan`). The columns say at which",
        f"second of a file of {LONG:g} s the clip begins.", "",
        "| file | way | " + " | ".join(f"{place:g} s" for place in PLACES) + " |",
        "|---|---|" + "---:|" * len(PLACES),
        *(
            f"| {FILES[name]} | {way} | " + " | ".join(f"{value:.0f}" for value in values) + " |"
            for name, ways in seeking.items() for way, values in ways.items()
        ), "",
        _conclusion(seeking), "",
        "## Workers", "",
        f"Clips a second on the clock out of the training loader: batches of {BATCH}, the default prefetch of 4",
        f"batches a worker, {BATCHES} batches after {WARM_UP} to warm up. The process that takes them does nothing",
        "else. The workers share the cores of this machine with all else that runs on it (see the load above): where",
        "all cores are busy already, more workers give no more clips.", "",
        "| read from | 0 workers | 1 worker | 2 workers |",
        "|---|---:|---:|---:|",
        *(
            f"| {arms[kind]} | " + " | ".join(f"{rate:.1f}" for rate in rates.values()) + " |"
            for kind, rates in workers.items()
        ),
    ]  # fmt: skip


def _conclusion(seeking: dict[str, dict[str, list[float]]]) -> str:
    times = {name: sum(ways["scan"]) / sum(ways["seek"]) for name, ways in seeking.items()}
    return (
        f"Over these places scanning costs {times['original']:.1f} times as much from the original, and "
        f"{times['encoded']:.1f} times as much from the\nclip that was encoded again."
    )
