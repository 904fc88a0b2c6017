"""Sample videos while training: the same clips and the same noise at every step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from PIL import Image

from asva_lightning.data.batch import ClipSample
from asva_lightning.diffusion import Animation, enlargement
from asva_lightning.diffusion.generate import write_animation
from asva_lightning.files import replace, write_text
from asva_lightning.media import ClipFormat, write_clip
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.motion_correlation import motion_correlation
from asva_lightning.metrics.onsets import onset_times
from asva_lightning.pages.run_page import write_run_page
from asva_lightning.pages.strip import strip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.callbacks.sampling import AnimatesClips, fixed_clips, pair_of, sample_together
from asva_lightning.training.task import AnimationTask


class SampleVideos(AnimatesClips):
    """Writes ``samples/step_000500/<clip>.mp4`` with its sound, a strip, and the page of the run.

    Args:
        every: Optimizer steps between samples.
        clips: How many validation clips to animate.
        at_start: Also sample before the first step, which shows what untrained looks like.
    """

    def __init__(self, every: int = 500, clips: int = 4, at_start: bool = True) -> None:
        self.every = every
        self.clips = clips
        self.at_start = at_start
        self._fixed: Sequence[ClipSample] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read the clips, once."""
        self._fixed = fixed_clips(trainer, "validate", self.clips).clips
        if self.at_start and trainer.global_step == 0:
            self._sample(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Sample where it is time, and at the last step."""
        step = trainer.global_step
        if trainer.fit_loop._should_accumulate():
            return
        if step % self.every == 0 or step == trainer.max_steps:
            self._sample(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the page up to date with the last metrics."""
        if trainer.is_global_zero:
            write_run_page(Path(trainer.default_root_dir))

    def _sample(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        assert isinstance(task, AnimationTask)
        run = RunFolder(Path(trainer.default_root_dir))
        folder = run.samples / f"step_{trainer.global_step:06d}"
        animations = sample_together(trainer, task, [pair_of(clip) for clip in self._fixed])
        for place, animation in animations.items():
            facts = {"step": trainer.global_step, "seed": task.seed}
            write_animation(task.pipeline, animation, folder, facts)
            _write_companions(folder, animation, self._fixed[place], task.format)
        trainer.strategy.barrier("samples written")
        if trainer.is_global_zero:
            write_run_page(run.path)


def _write_companions(folder: Path, animation: Animation, clip: ClipSample, format: ClipFormat) -> None:
    """The first frame, the true video (once for all steps), the strip, and their names in the JSON file."""
    key = animation.pair.key
    truth = folder.parent / "truth"
    reference, picture = truth / f"{key}.mp4", truth / f"{key}.png"
    truth.mkdir(parents=True, exist_ok=True)
    if not reference.exists():
        large = enlargement(format.height, format.width)
        write_clip(reference, clip.pixels, format.fps, clip.waveform, format.sample_rate, enlarge=large)
    if not picture.exists():
        _save(Image.fromarray(clip.pixels[:, 0].permute(1, 2, 0).numpy()), picture)
    motion, true_motion = motion_curve(animation.pixels[None])[0], motion_curve(clip.pixels[None])[0]
    onsets = onset_times(clip.waveform[None], format.sample_rate)[0].tolist()
    drawing = strip(
        animation.pixels, clip.waveform, format.fps, format.sample_rate, onsets, motion,
        title=clip.text or key, reference=clip.pixels, reference_motion=true_motion,
    )  # fmt: skip
    _save(drawing, folder / f"{key}.png")
    path = folder / f"{key}.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts |= {"strip": f"{key}.png", "picture": f"../truth/{picture.name}", "reference": f"../truth/{reference.name}"}
    agreement = motion_correlation(animation.pixels[None], clip.pixels[None])[0]
    facts["scores"] = {"motion correlation": float(agreement)} if agreement.isfinite() else {}
    write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def _save(picture: Image.Image, path: Path) -> None:
    with replace(path) as temporary:
        picture.save(temporary)
