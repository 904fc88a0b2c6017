"""The sound-swap test: of k sounds of one class, which one made this video?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.follow_clips import SoundingClip
from asva_lightning.evaluation.generators import Animate, Request, check_videos
from asva_lightning.evaluation.likeness import LIKENESSES, Likeness
from asva_lightning.evaluation.results import Interval, Results
from asva_lightning.media import ClipFormat

LEAST_FRAMES = 3
"""Two steps of motion: the correlation of a single one with anything is not defined."""

NORMAL_95 = 1.959964
"""Half-width of the middle 95 % of the normal distribution, in standard deviations."""


def check_frames(format: ClipFormat) -> None:
    """Check before anything costs time that clips are long enough to be compared by their motion.

    Raises:
        ConfigurationError: If they are not.
    """
    if format.frames < LEAST_FRAMES:
        raise ConfigurationError(
            f"The sound swap compares motion, which needs clips of {LEAST_FRAMES} frames or more, not {format.frames}. "
            "Set --format.frames, or take a model of longer clips."
        )


def recognised(likeness: Tensor) -> Tensor:
    """Whether the sound that made a video is the one that fits it best.

    Where several sounds fit best to the last digit, as with a still video, each gets an equal share. So a generator
    that makes the same video whatever the sound has a mean of exactly ``1 / k``: of the ``k`` videos of a picture the
    same sound is named for all, and it made one.

    Args:
        likeness: ``(..., k, k)``: of the video that sound ``j`` made with the candidate sound ``l`` at ``[..., j, l]``.

    Returns:
        ``(..., k)`` in 0..1: 1 if the sound is recognised, 0 if another fits better.
    """
    best = likeness == likeness.amax(dim=-1, keepdim=True)
    return best.diagonal(dim1=-2, dim2=-1).float() / best.sum(dim=-1)


def margin(likeness: Tensor) -> Tensor:
    """By how much a video is more like the sound that made it than like the others, on average.

    Args:
        likeness: ``(..., k, k)``, see :func:`recognised`.

    Returns:
        ``(..., k)``; 0 on average where the sound has no effect.
    """
    own = likeness.diagonal(dim1=-2, dim2=-1)
    return own - (likeness.sum(dim=-1) - own) / (likeness.shape[-1] - 1)


def wilson_interval(share: float, count: int) -> Interval:
    """Wilson's 95 % interval of a share (Wilson, JASA 1927); unlike the bootstrap's it has a width at 0 and at 1.

    Args:
        share: The share that was met, in 0..1.
        count: Of how many independent trials; with none the interval is nan.

    Returns:
        The interval.
    """
    if not count:
        return Interval(math.nan, math.nan)
    square = NORMAL_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True)
class SwapGroup:
    """The clips of one class whose pictures and sounds are crossed.

    Args:
        name: Name of the group.
        clips: ``k`` clips of one class.
        first: Number of the first picture; a picture's number picks its noise.

    Raises:
        ConfigurationError: If there are fewer than two clips.
    """

    name: str
    clips: Sequence[SoundingClip]
    first: int = 0

    def __post_init__(self) -> None:
        if len(self.clips) < 2:
            raise ConfigurationError(f"The sound swap needs two clips of {self.name} or more, to swap their sounds.")

    def requests(self, format: ClipFormat) -> list[Request]:
        """Every picture with every sound: those of the first picture come first. One picture, one noise, one text."""
        return [
            Request(f"{shown.name}--{heard.name}", shown.picture, heard.heard(format), shown.text, self.first + place)
            for place, shown in enumerate(self.clips)
            for heard in self.clips
        ]


@dataclass(frozen=True)
class SwapJudgement:
    """What was found for one group.

    Args:
        group: The group.
        likeness: Measure to ``(k, k, k)``: picture, sound that made the video, candidate sound.
        truth: Measure to ``(k, k)``: the same of the true videos, whose sounds are their own.
    """

    group: SwapGroup
    likeness: Mapping[str, Tensor]
    truth: Mapping[str, Tensor]

    def matrix(self, measure: str) -> Tensor:
        """Mean likeness over pictures, ``(k, k)``: rows are sounds that made a video, columns candidates."""
        return self.likeness[measure].mean(dim=0)


def swap_groups(clips: Mapping[str, Sequence[SoundingClip]], size: int) -> Iterator[SwapGroup]:
    """As many groups of ``size`` clips of one class as there are clips for.

    Args:
        clips: Class name to clips.
        size: Clips of a group.

    Yields:
        The groups. Clips that are left over in a class are in none.
    """
    first = 0
    for category, found in clips.items():
        count = len(found) // size
        for number in range(count):
            name = category if count == 1 else f"{category} {number + 1}"
            # Every count-th clip, so that each group is spread over the class as the clips are.
            yield SwapGroup(name, found[number : count * size : count], first)
            first += size


def judge_swap(
    group: SwapGroup,
    videos: Sequence[Tensor],
    format: ClipFormat,
    likenesses: Mapping[str, Likeness] = LIKENESSES,
) -> SwapJudgement:
    """Compare the videos of a group with each of its sounds.

    Args:
        group: The group.
        videos: Its ``k * k`` videos ``(3, f, h, w)`` uint8, in the order of its requests.
        format: What a clip is.
        likenesses: Name to measure.

    Returns:
        What was found.

    Raises:
        ConfigurationError: If there are more or fewer videos, or they have another shape.
    """
    check_videos(videos, group.requests(format), format)
    size, made = len(group.clips), torch.stack(list(videos)).cpu()  # where the true ones are
    true = torch.stack([clip.pixels for clip in group.clips])
    return SwapJudgement(
        group,
        {name: measure(made, group.clips, format).view(size, size, size) for name, measure in likenesses.items()},
        {name: measure(true, group.clips, format) for name, measure in likenesses.items()},
    )


def swap_results(judgements: Sequence[SwapJudgement], facts: Mapping[str, str | float] | None = None) -> Results:
    """The numbers of all groups, one value for each sound: the mean over the pictures it was heard with.

    Of each measure there are ``top-1 by <measure>`` (see :func:`recognised`), ``margin by <measure>`` (see
    :func:`margin`), and ``top-1 of the truth by <measure>``: how often the true videos give away their sounds, which
    says what the measure can tell. The sounds are the unit of the intervals, as the videos of one sound are no
    independent trials.

    Args:
        judgements: What was found, for groups of one size.
        facts: What else the numbers depend on.

    Returns:
        The results; their facts hold the size of a group and the chance of a right guess.

    Raises:
        ConfigurationError: If there is no group, or they differ in size.
    """
    sizes = {len(found.group.clips) for found in judgements}
    if len(sizes) != 1:
        raise ConfigurationError(f"Chance is one only for groups of one size, but these have {sorted(sizes)} clips.")
    size = sizes.pop()
    values: dict[str, dict[str, float]] = {}
    for name in judgements[0].likeness:
        numbers = {
            f"top-1 by {name}": [recognised(found.likeness[name]).mean(dim=0) for found in judgements],
            f"margin by {name}": [margin(found.likeness[name]).mean(dim=0) for found in judgements],
            f"top-1 of the truth by {name}": [recognised(found.truth[name]) for found in judgements],
        }
        names = [clip.name for found in judgements for clip in found.group.clips]
        values |= {title: dict(zip(names, torch.cat(of_groups).tolist())) for title, of_groups in numbers.items()}
    texts = {clip.name: clip.text for found in judgements for clip in found.group.clips}
    counts = {"sounds of a group": size, "chance": 1 / size, "videos": size * size * len(judgements)}
    return Results(values, texts, {**(facts or {}), **counts})


def swap_test(
    groups: Sequence[SwapGroup],
    animate: Animate,
    format: ClipFormat,
    likenesses: Mapping[str, Likeness] = LIKENESSES,
) -> Results:
    """The whole test in memory, for any system.

    Args:
        groups: What to cross, see :func:`swap_groups`.
        animate: The system; :func:`~asva_lightning.evaluation.generators.one_by_one` makes one of a function.
        format: What a clip is.
        likenesses: Name to measure.

    Returns:
        See :func:`swap_results`.
    """
    judged = [judge_swap(group, animate(group.requests(format)), format, likenesses) for group in groups]
    return swap_results(judged)
