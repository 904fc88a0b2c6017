r"""Of two objects in a picture, does the model move the one that sounds, and does its map of the sound point there?

    python -m asva_lightning fit --config experiments/quickstart.yaml --run.name two --data.shards shards/two \
        --data.generator.two_objects 0.8 --data.generator.train 480 --trainer.max_steps 2400
    python benchmarks/pointing.py runs/quickstart-* runs/two-* [--clips 192]

SynthSync test clips with two objects of different kinds, which the run has not seen. A clip counts as right if the mean
over the box of the sounding object is larger than over the other's: of the map |e(text, audio) - e(text, no audio)|,
and of the motion of the sample. Chance is 50 %. Done with the class text, which also names the object, and without it.
The result goes to benchmarks/results/pointing.md and .json.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from seeds import write_results
from synthsync_clips import RenderedClip, test_clips
from torch import Tensor
from torch.nn.functional import interpolate

from asva_lightning.data.randomness import Purpose, torch_generator
from asva_lightning.diffusion import AnimationPipeline
from asva_lightning.diffusion.explain import AudioEffect
from asva_lightning.training.restore import open_run_for_use

ROOT = Path(__file__).parent.parent
BATCH = 16


def maps(pipeline: AnimationPipeline, clips: list[RenderedClip], first: int, text: bool) -> tuple[Tensor, Tensor]:
    """Where the sound acts and where the samples move, ``(b, h, w)`` each."""
    clip = pipeline.format
    effect = AudioEffect()
    latents = pipeline.sample(
        pipeline.encode(torch.stack([one.pixels[:, 0] for one in clips])),
        torch.stack([one.waveform[: clip.samples] for one in clips]),
        [one.text if text else "" for one in clips],
        [torch_generator(0, Purpose.SAMPLING, first + place) for place in range(len(clips))],
        watch=effect,
        watched=AudioEffect.passes,
    )
    videos = pipeline.decode(latents).float()
    motion = (videos[:, :, 1:] - videos[:, :, :-1]).abs().mean(dim=(1, 2))
    heat = interpolate(effect.heat().mean(dim=1)[:, None], size=motion.shape[-2:], mode="nearest")[:, 0]
    return heat, motion


def points_right(picture: Tensor, clip: RenderedClip) -> bool:
    """Whether the mean over the box of the sounding object is the larger one."""
    means = {}
    for thing in clip.objects:
        left, top, right, bottom = thing["box"]
        means[thing["sounds"]] = float(picture[top:bottom, left:right].mean())
    return means[True] > means[False]


def accuracy(right: list[bool]) -> dict:
    """Share of right ones with a 95 % bootstrap interval."""
    values = np.array(right, float)
    draws = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return {"count": len(values), "accuracy": float(values.mean()), "low": float(low), "high": float(high)}


def measure(pipeline: AnimationPipeline, clips: list[RenderedClip], text: bool) -> dict:
    """Pointing accuracy of the map and of the motion."""
    heat_right, motion_right = [], []
    for first in range(0, len(clips), BATCH):
        batch = clips[first : first + BATCH]
        for one, heat, motion in zip(batch, *maps(pipeline, batch, first, text)):
            heat_right.append(points_right(heat, one))
            motion_right.append(points_right(motion, one))
    return {"map": accuracy(heat_right), "motion": accuracy(motion_right)}


def in_words(config: dict[str, Any]) -> str:
    """How a run was trained."""
    share = config["data"]["generator"]["two_objects"]
    return f"{config['trainer']['max_steps']} steps, {100 * share:.0f} % of clips with two objects"


def main() -> None:
    """Run the benchmark and write its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--clips", type=int, default=192)
    options = parser.parse_args()
    results = {}
    for folder in options.runs:
        run = open_run_for_use(folder)
        clips = list(test_clips(run.config, options.clips, 1.0, run.task.format))
        for text in (True, False):
            name = f"{in_words(run.config)}; {'with the class text' if text else 'without text'}"
            results[name] = measure(run.task.pipeline, clips, text)
    lines = [
        "# Pointing at the object that sounds",
        "",
        f"`python benchmarks/pointing.py RUN ...`: {options.clips} SynthSync clips with two objects, models of the",
        "quickstart's size. Share of clips in which the sounding object's box has the larger mean; chance is 50 %;",
        "95 % interval.",
        "",
        "| trained | map of the sound | motion of the sample |",
        "|---|---|---|",
    ]
    for name, result in results.items():
        cells = [
            f"{100 * of['accuracy']:.1f} % [{100 * of['low']:.1f}, {100 * of['high']:.1f}]"
            for of in (result["map"], result["motion"])
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_results("pointing", "\n".join(lines) + "\n", results)


if __name__ == "__main__":
    main()
