"""How well a video fits each of several sounds: measures without weights, at no lag."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from asva_lightning.evaluation.follow_clips import SoundingClip
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.motion import motion_curve
from asva_lightning.metrics.onset_motion_correlation import onset_motion_correlation
from asva_lightning.metrics.pearson import pearson

Likeness = Callable[[Tensor, Sequence[SoundingClip], ClipFormat], Tensor]
"""Videos ``(n, 3, f, h, w)`` uint8 and ``k`` clips with candidate sounds in, ``(n, k)`` out; larger is more alike."""


def onset_likeness(videos: Tensor, candidates: Sequence[SoundingClip], format: ClipFormat) -> Tensor:
    """Does the video move where the sound begins?

    :func:`~asva_lightning.metrics.onset_motion_correlation.onset_motion_correlation` of each video with each sound.

    Args:
        videos: ``(n, 3, f, h, w)`` uint8.
        candidates: Clips whose sounds are compared, ``k`` of them.
        format: What a clip is.

    Returns:
        ``(n, k)`` in -1..1.
    """
    sounds = torch.stack([clip.heard(format) for clip in candidates])
    rows = [
        onset_motion_correlation(sounds, video.expand(len(sounds), -1, -1, -1, -1), format.fps, format.sample_rate)
        for video in videos
    ]
    return torch.stack(rows)


def motion_likeness(videos: Tensor, candidates: Sequence[SoundingClip], format: ClipFormat) -> Tensor:
    """Does the video move when the clip that the sound belongs to truly moved?

    Pearson's correlation of the motion curves, as :class:`~asva_lightning.metrics.motion_correlation.MotionCorrelation`
    has it, but 0 where a true clip does not move.

    Args:
        videos: ``(n, 3, f, h, w)`` uint8.
        candidates: Clips whose true motion is compared, ``k`` of them.
        format: What a clip is.

    Returns:
        ``(n, k)`` in -1..1.
    """
    truth = torch.stack([clip.pixels for clip in candidates])
    return pearson(motion_curve(videos)[:, None], motion_curve(truth)[None])


LIKENESSES: Mapping[str, Likeness] = {"onsets": onset_likeness, "true motion": motion_likeness}
