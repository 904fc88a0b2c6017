"""Do windows of a long sound join without a jump?

    python benchmarks/long_videos.py RUN [--clips 48]

Whole SynthSync test clips (6.5 to 8 s) that the run has not seen are animated from their first frame with their own
sound. The step from the last frame of one window to the first new frame of the next is a seam. Compared in one run:
windows that share 1, 2 or 3 frames; and windows that do not know of each other, which all begin with the first picture.
The result goes to benchmarks/results/long_videos.md and .json.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from seeds import write_results
from synthsync_clips import RenderedClip, test_clips
from torch import Tensor

from asva_lightning.diffusion import AnimationPipeline, animate_long
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.motion_correlation import motion_correlation
from asva_lightning.training.restore import open_run_for_use

ROOT = Path(__file__).parent.parent
SETTINGS = {"3 frames shared": 3, "2 frames shared": 2, "1 frame shared": 1, "windows apart": 0}


def joined(pipeline: AnimationPipeline, clip: RenderedClip, overlap: int, number: int) -> tuple[Tensor, list[int]]:
    """The video ``(3, f, h, w)`` and the numbers of its steps that are seams."""
    format, frames = pipeline.format, clip.pixels.shape[1]

    def sound_at(seconds: float) -> Tensor:
        begin = round(seconds * format.sample_rate)
        part = clip.waveform[begin : begin + format.samples]
        return torch.nn.functional.pad(part, (0, format.samples - len(part)))

    if overlap:
        stretches = list(
            animate_long(pipeline, clip.pixels[:, 0], sound_at, frames, clip.text, number=number, overlap=overlap)
        )
        return torch.cat([part.pixels for part in stretches], dim=1), [part.first - 1 for part in stretches[1:]]
    parts, firsts = [], list(range(0, frames, format.frames))
    for first in firsts:
        window = animate_long(
            pipeline, clip.pixels[:, 0], lambda _, first=first: sound_at(first / format.fps), format.frames, clip.text,
            number=number,
        )  # fmt: skip
        parts.append(next(window).pixels)
    return torch.cat(parts, dim=1)[:, :frames], [first - 1 for first in firsts[1:]]


def measure(pipeline: AnimationPipeline, clips: list[RenderedClip], overlap: int) -> dict:
    """Motion at seams and elsewhere, and how well the later windows still follow the truth."""
    at_seams, elsewhere, early, late = [], [], [], []
    for number, clip in enumerate(clips):
        video, seams = joined(pipeline, clip, overlap, number)
        curve = motion_curve(video[None])[0]
        seam = torch.zeros(len(curve), dtype=torch.bool)
        seam[[step for step in seams if step < len(curve)]] = True
        at_seams += curve[seam].tolist()
        elsewhere += curve[~seam].tolist()
        window = pipeline.format.frames
        for part, kept in ((slice(0, window), early), (slice(-window, None), late)):
            kept.append(float(motion_correlation(video[None, :, part], clip.pixels[None, :, part])[0]))
    return {
        "at_seams": _spread(at_seams),
        "elsewhere": _spread(elsewhere),
        "r_first_window": float(np.mean(early)),
        "r_last_window": float(np.mean(late)),
    }


def _spread(values: list[float]) -> dict:
    of = np.array(values) * 255
    return {"count": len(of), "mean": float(of.mean())} | {
        f"p{percent}": float(np.percentile(of, percent)) for percent in (50, 90, 99)
    }


def report(results: dict, clips: int) -> str:
    """A Markdown report."""
    lines = [
        "# Seams of long videos",
        "",
        f"`python benchmarks/long_videos.py RUN`: {clips} SynthSync test clips of 6.5 to 8 s, the quickstart's model.",
        "Motion is the mean absolute change from frame to frame, in grey levels of 255. r is the correlation of motion",
        "with the true video, in the first and in the last window of each clip.",
        "",
        "| windows | seams | motion at seams: mean / median / 90 % / 99 % | elsewhere | mean, seams : elsewhere "
        "| r first | r last |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = [
            " / ".join(f"{result[where][part]:.2f}" for part in ("mean", "p50", "p90", "p99"))
            for where in ("at_seams", "elsewhere")
        ]
        ratio = result["at_seams"]["mean"] / result["elsewhere"]["mean"]
        lines.append(
            f"| {name} | {result['at_seams']['count']} | {cells[0]} | {cells[1]} | {ratio:.2f} "
            f"| {result['r_first_window']:.2f} | {result['r_last_window']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clips", type=int, default=48)
    options = parser.parse_args()
    logging.getLogger("asva_lightning").setLevel(logging.INFO)
    run = open_run_for_use(options.run)
    pipeline = run.task.pipeline
    clips = list(test_clips(run.config, options.clips, 0.0, pipeline.format))
    results = {name: measure(pipeline, clips, overlap) for name, overlap in SETTINGS.items()}
    write_results("long_videos", report(results, len(clips)), results)


if __name__ == "__main__":
    main()
