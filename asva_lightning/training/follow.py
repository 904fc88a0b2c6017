"""The commands ``follow swap`` and ``follow delay``: do videos follow their sound?"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asva_lightning.data.commands import with_manifest
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.randomness import check_seed
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.delay import DELAYS, check_delays, delay_requests, judge_delays
from asva_lightning.evaluation.follow_clips import choose_clips
from asva_lightning.evaluation.follow_report import write_delay, write_swap
from asva_lightning.evaluation.generators import write_requests
from asva_lightning.evaluation.references import Reference, digest
from asva_lightning.evaluation.swap import check_frames, judge_swap, swap_groups
from asva_lightning.media import ClipFormat
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.follow_videos import (
    FollowedVideos,
    FoundVideos,
    Sets,
    check_ways,
    format_of_others,
    made_by,
)
from asva_lightning.training.sources import STABLE_DIFFUSION

logger = logging.getLogger(__name__)


# jsonargparse finds these options by reading the commands, so each has to call VideoSource(**source) in these words.
@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """Where the videos come from: the options that both tests have.

    Args:
        checkpoint: What is tested: a run folder or a checkpoint in one, an exported folder or the Hub id of one, or a
            checkpoint folder of the original.
        generated: In place of a checkpoint, a folder of finished mp4s of any system.
        pairs: Folder to write what another system is to animate: ``NAME.png``, ``NAME.wav`` and ``pairs.csv``. Its
            videos ``NAME.mp4`` are then judged with ``--generated`` and otherwise the same words.
        seed: Seed of the noise.
        audio_guidance: How strongly to follow the sound; as the model samples if not given.
        text_guidance: How strongly to follow the text; as the model samples if not given.
        batch_size: Videos that are made together.
        format: What a clip is, for videos of other systems; the method's if not given.
        weights: For runs, the averaged weights (``ema``) or those of the last step (``raw``).
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Raises:
        ConfigurationError: If not exactly one of checkpoint, generated and pairs is given, or the seed is negative.
    """

    checkpoint: str | None = None
    generated: str | None = None
    pairs: str | None = None
    seed: int = 0
    audio_guidance: float | None = None
    text_guidance: float | None = None
    batch_size: int = 8
    format: ClipFormat | None = None
    weights: Which = "ema"
    stable_diffusion: str = STABLE_DIFFUSION

    def __post_init__(self) -> None:
        check_ways(self.checkpoint, self.generated, self.pairs)
        check_seed(self.seed)

    def open(self, output: str) -> tuple[FollowedVideos | None, ClipFormat]:
        """The videos, none where only pairs are written, and what a clip is.

        Args:
            output: The output folder.

        Raises:
            ConfigurationError: If settings contradict each other.
            RunError: If the checkpoint is nothing that can be opened.
            WeightsError: If weights are missing, damaged, or do not fit.
        """
        others = format_of_others(self.format, self.checkpoint)
        if self.generated is not None:
            return FoundVideos(Path(self.generated), others), others
        if self.checkpoint is None:
            return None, others
        made = made_by(
            self.checkpoint, Path(output), self.seed, self.batch_size, self.audio_guidance, self.text_guidance,
            self.weights, self.stable_diffusion,
        )  # fmt: skip
        return made, made.format


def follow_swap(
    shards: str, *, output: str = "follow-swap", split: str = "test", clips: int = 5, groups: int = 1, **source: Any
) -> None:
    """Cross the pictures and sounds of a class: can it be told which sound made a video?

    Args:
        shards: Folder of shards whose clips are used.
        output: Folder of the results, and of the videos that a checkpoint makes. Started again, it goes on.
        split: Split whose clips are used.
        clips: Clips whose pictures and sounds are crossed, all of one class.
        groups: Such groups of each class; a class with too few clips is left out.
        **source: What :class:`VideoSource` takes.

    Raises:
        ConfigurationError: If settings contradict each other, or videos are missing.
        ShardsError: If shards or split are missing.
        RunError: If the checkpoint is nothing that can be opened.
    """
    origin = VideoSource(**source)
    if clips < 2 or groups < 1:
        raise ConfigurationError(f"--clips must be 2 or more and --groups 1 or more, not {clips} and {groups}.")
    samples = with_manifest(shards).samples(split)
    videos, clip_format = origin.open(output)
    check_frames(clip_format)
    chosen = choose_clips(samples, clip_format, clips * groups)
    crossed = list(swap_groups(chosen, clips))
    left_out = [f"{name} ({len(found)})" for name, found in chosen.items() if len(found) < clips]
    if not crossed:
        raise ConfigurationError(
            f"No class of {split} in {shards} has {clips} clips that can be used, but: {', '.join(left_out)}. Set "
            "--clips lower."
        )
    if left_out:
        logger.warning("Left out, with fewer than %d clips that can be used: %s", clips, ", ".join(left_out))
    sets = {group.name: group.requests(clip_format) for group in crossed}
    if videos is None:
        _write_pairs(sets, str(origin.pairs), clip_format, "swap")
        return
    protocol = {"test": "swap", "clips": clips, "groups": groups, **_protocol(samples, split, clip_format)}
    videos.prepare(sets, {"shards": shards, **protocol})
    judged = [judge_swap(group, videos.read(sets[group.name]), clip_format) for group in crossed]
    sys.stdout.write(write_swap(Path(output), judged, {"shards": shards, "split": split, **videos.facts}, protocol))


def follow_delay(
    shards: str,
    *,
    output: str = "follow-delay",
    split: str = "test",
    clips: int = 5,
    delays: list[float] | None = None,
    **source: Any,
) -> None:
    """Delay the sound: does the motion move with it?

    Args:
        shards: Folder of shards whose clips are used. They must be longer than a clip, by twice the longest delay.
        output: Folder of the results, and of the videos that a checkpoint makes. Started again, it goes on.
        split: Split whose clips are used.
        clips: Clips of each class.
        delays: Seconds by which the sound is late; early where negative. Best whole frames, below the time between two
            events; a sixth and a third of a second, early and late, if not given.
        **source: What :class:`VideoSource` takes.

    Raises:
        ConfigurationError: If settings contradict each other, or videos are missing.
        ShardsError: If shards or split are missing.
        RunError: If the checkpoint is nothing that can be opened.
    """
    origin = VideoSource(**source)
    late = list(DELAYS if delays is None else delays)
    check_delays(late)
    if clips < 1:
        raise ConfigurationError(f"--clips must be 1 or more, not {clips}.")
    samples = with_manifest(shards).samples(split)
    videos, clip_format = origin.open(output)
    check_delays(late, clip_format)
    chosen = choose_clips(samples, clip_format, clips, max(map(abs, late)))
    used = [clip for of_class in chosen.values() for clip in of_class]
    if not used:
        raise ConfigurationError(f"Not one clip of {split} in {shards} can be used; the warnings above say why.")
    sets = {clip.name: delay_requests(clip, late, clip_format, number) for number, clip in enumerate(used)}
    if videos is None:
        _write_pairs(sets, str(origin.pairs), clip_format, "delay")
        return
    protocol = {"test": "delay", "clips": clips, "delays": late, **_protocol(samples, split, clip_format)}
    videos.prepare(sets, {"shards": shards, **protocol})
    judged = [judge_delays(clip, videos.read(sets[clip.name]), late, clip_format) for clip in used]
    facts = {"shards": shards, "split": split, **videos.facts}
    sys.stdout.write(write_delay(Path(output), judged, late, facts, protocol))


def _protocol(samples: Sequence[SampleRecord], split: str, format: ClipFormat) -> dict[str, Any]:
    """What both tests must have in common before results are compared; shards with other clips are others."""
    references = [Reference(sample.key, sample.text, sample) for sample in samples]
    return {"split": split, "format": asdict(format), "reference": digest(references)}


def _write_pairs(sets: Sets, folder: str, format: ClipFormat, test: str) -> None:
    requests = [request for of_set in sets.values() for request in of_set]
    write_requests(requests, Path(folder), format)
    sys.stdout.write(
        f"{len(requests)} pairs in {folder}, listed in pairs.csv. Animate each NAME.png with NAME.wav to NAME.mp4, "
        f"{format.frames} frames at {format.fps:g} a second, the same noise where the column `seed` has the same "
        f"number. Then: follow {test} --generated FOLDER, and otherwise the same words.\n"
    )
