"""The commands ``follow swap`` and ``follow delay``: do videos follow their sound?"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asva_lightning.data.commands import with_manifest
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.delay import DELAYS, check_delays, delay_requests, judge_delays
from asva_lightning.evaluation.follow_clips import choose_clips
from asva_lightning.evaluation.follow_report import write_delay, write_swap
from asva_lightning.evaluation.generators import write_requests
from asva_lightning.evaluation.references import Reference, digest
from asva_lightning.evaluation.swap import check_frames, judge_swap, swap_groups
from asva_lightning.media import ClipFormat
from asva_lightning.training.follow_source import VideoSource
from asva_lightning.training.follow_videos import Sets

logger = logging.getLogger(__name__)


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
    return {"split": split, "format": asdict(format), "reference": digest([*map(Reference.of, samples)])}


def _write_pairs(sets: Sets, folder: str, format: ClipFormat, test: str) -> None:
    requests = [request for of_set in sets.values() for request in of_set]
    write_requests(requests, Path(folder), format)
    sys.stdout.write(
        f"{len(requests)} pairs in {folder}, listed in pairs.csv. Animate each NAME.png with NAME.wav to NAME.mp4, "
        f"{format.frames} frames at {format.fps:g} a second, the same noise where the column `seed` has the same "
        f"number. Then: follow {test} --generated FOLDER, and otherwise the same words.\n"
    )
