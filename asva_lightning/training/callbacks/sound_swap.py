"""Does the model listen? The same pictures with the right sound, with another clip's sound, and not moving at all."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import yaml
from torch import Tensor

from asva_lightning.data.batch import ClipSample
from asva_lightning.diffusion import Animation
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.blank_clip import check_measures
from asva_lightning.evaluation.results import Results, some
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.callbacks.sampling import AnimatesClips, fixed_clips, pair_of, sample_together
from asva_lightning.training.callbacks.sync_scores import judge, sync_measures
from asva_lightning.training.task import AnimationTask

logger = logging.getLogger(__name__)

ROWS = {
    "truth": "the true video",
    "right_sound": "sample with the right sound",
    "other_sound": "sample with another clip's sound",
    "still": "the still picture",
}
COLUMNS = {
    "motion_correlation": "moves like the truth (r)",
    "onset_f1": "onset F1",
    "onset_motion_correlation": "onset-motion r",
    "av_align": "AV-Align",
}


class SoundSwap(AnimatesClips):
    """At the end of training, prints and keeps a table of scores on test clips.

    Rows: the true video; samples with the right sound; samples with the sound of another clip of the same kind; the
    still picture. All are judged against the true video and the true sound, so a model that does not listen scores
    as high with another sound as with the right one.

    Args:
        clips: How many test clips.
    """

    clips_in_fit = "test"

    def __init__(self, clips: int = 96) -> None:
        if clips < 2:
            raise ConfigurationError("SoundSwap needs at least two clips, to swap their sounds.")
        self.clips = clips

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let the measures judge a blank clip, before the training.

        Raises:
            ConfigurationError: If shards hold latents, or a measure cannot judge clips of the format.
        """
        super().setup(trainer, pl_module, stage)
        if stage in self.stages and isinstance(pl_module, AnimationTask):
            check_measures(sync_measures(), pl_module.format)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge, print, log the means, and write ``sound_swap/*.json`` and ``sound_swap/table.md``."""
        if trainer.global_step < trainer.max_steps:
            return
        assert isinstance(pl_module, AnimationTask)
        chosen = fixed_clips(trainer, "test", self.clips)
        clips = chosen.clips
        if len(clips) < 2:
            logger.warning("There is %d test clip, so no sound to swap it with, and no table.", len(clips))
            return
        right = [pair_of(clip) for clip in clips]
        other = [replace(pair, waveform=clips[place].waveform) for pair, place in zip(right, other_of_same_kind(clips))]
        mine = range(trainer.global_rank, len(clips), trainer.world_size)
        still = {place: Animation(right[place], _still(clips[place])) for place in mine}
        made = {
            "truth": {place: Animation(right[place], clips[place].pixels) for place in mine},
            "right_sound": sample_together(trainer, pl_module, right),
            "other_sound": sample_together(trainer, pl_module, other),
            "still": still,
        }
        results = {row: judge(trainer, pl_module, chosen, animations) for row, animations in made.items()}
        if trainer.is_global_zero:
            run = RunFolder(Path(trainer.default_root_dir))
            table = table_of(results)
            write_table(run, results, table)
            means = {f"sound_swap/{row}/{name}": results[row].overall(name).mean for row in results for name in COLUMNS}
            for log in trainer.loggers:
                log.log_metrics(means, step=trainer.global_step)
            sys.stdout.write(f"\n{table}\n\n{next_commands(run)}\n")


def other_of_same_kind(clips: Sequence[ClipSample]) -> list[int]:
    """For each clip another one of its category, or of any category if it is alone; never itself."""
    others = []
    for place, clip in enumerate(clips):
        same = [other for other in range(len(clips)) if clips[other].category == clip.category]
        same = same if len(same) > 1 else list(range(len(clips)))
        others.append(same[(same.index(place) + 1) % len(same)])
    return others


def table_of(results: dict[str, Results]) -> str:
    """A Markdown table: one row a kind of video, one column a measure, each with its 95 % interval."""
    rows = [["", *COLUMNS.values()], ["---"] + ["---:"] * len(COLUMNS)]
    for row, result in results.items():
        scores = [result.overall(name) for name in COLUMNS]
        rows.append([ROWS[row], *(f"{score.mean:.2f} [{score.low:.2f}, {score.high:.2f}]" for score in scores)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    first = next(iter(results.values()))
    count = max(first.overall(name).count for name in COLUMNS)
    facts = ", ".join(f"{name} {value}" for name, value in first.facts.items())
    left = {row: len(result.excluded) for row, result in results.items() if result.excluded}
    notes = (
        ["", "excluded: " + ", ".join(f"{some(n, 'clip')} of {ROWS[row]}" for row, n in left.items())] if left else []
    )
    return "\n".join([f"{count} test clips ({facts}); mean and 95 % interval over videos", "", *lines, *notes])


def write_table(run: RunFolder, results: dict[str, Results], table: str) -> None:
    """Keep the table and the values of every clip in the run folder."""
    folder = run.path / "sound_swap"
    folder.mkdir(exist_ok=True)
    for row, result in results.items():
        result.write(folder / f"{row}.json")
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")


def next_commands(run: RunFolder) -> str:
    """What to type next."""
    command = f"{_python()} -m asva_lightning"
    schedule = _longer_schedule(run)
    longer = "a longer run, from step 0:   " if schedule else "train it for longer:         "
    return "\n".join(
        [
            "Next:",
            f"  watch the samples:           open {run.page} in a browser",
            f"  animate with your own sound: {command} animate --checkpoint {run.path} --audio FILE --output out.mp4",
            f"  {longer}{command} fit --config {run.config} --trainer.max_steps 3000{schedule}",
        ]
    )


def _python() -> str:
    """The interpreter as it would be typed here."""
    here, program = Path.cwd(), Path(sys.executable)
    return str(program.relative_to(here)) if program.is_relative_to(here) else "python"


def _longer_schedule(run: RunFolder) -> str:
    """What makes a schedule of a fixed length as long as the longer training, which is then another run."""
    config = yaml.safe_load(run.config.read_text(encoding="utf-8")) if run.config.exists() else {}
    schedule = config.get("model", {}).get("init_args", {}).get("learning_rate_schedule") or {}
    if "steps" not in schedule.get("init_args", {}):
        return ""
    return " --model.init_args.learning_rate_schedule.init_args.steps 3000"


def _still(clip: ClipSample) -> Tensor:
    return clip.pixels[:, :1].expand(-1, clip.pixels.shape[1], -1, -1).contiguous()
