"""SyncAccuracy: the test protocol of a sync classifier."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from asva_lightning.errors import ConfigurationError

CLIPS, SHIFT, WITHIN = 31, 0.04, 5
"""The protocol of the release: clips of one video, seconds from one to the next, places that still count as right."""


class SyncAccuracyValues(NamedTuple):
    """What the protocol says of a classifier; every number with that of chance beside it.

    Args:
        audio_to_video: Share of sounds whose best video is near enough.
        video_to_audio: Share of videos whose best sound is near enough.
        chance: Share of a classifier that guesses.
        offset: Mean distance of the best match, over both directions, in seconds.
        chance_offset: That of a classifier that guesses, in seconds.
        curve: ``(tolerances, 4)``: a tolerance in seconds, the two shares, and that of chance, for every tolerance
            from 0 to half the clips.
    """

    audio_to_video: Tensor
    video_to_audio: Tensor
    chance: Tensor
    offset: Tensor
    chance_offset: Tensor
    curve: Tensor


def best_matches(scores: Tensor) -> Tensor:
    """How far the best match of the middle clip is from it.

    Args:
        scores: ``(b, k, k)`` of each sound (row) with each video (column) of k shifted clips.

    Returns:
        ``(b, 2)``: places from the middle, with sign, of the best video for the middle sound and of the best sound for
        the middle video.

    Raises:
        ConfigurationError: If the scores are not ``(b, k, k)`` with odd k, so that there is no middle.
    """
    if scores.ndim != 3 or scores.shape[1] != scores.shape[2] or scores.shape[1] % 2 == 0:
        raise ConfigurationError(
            f"The protocol needs scores (b, k, k) of an odd number k of shifted clips, not {tuple(scores.shape)}."
        )
    middle = scores.shape[1] // 2
    return torch.stack([scores[:, middle].argmax(dim=1), scores[:, :, middle].argmax(dim=1)], dim=1) - middle


def sync_accuracy(scores: Tensor, shift: float = SHIFT, within: int = WITHIN) -> SyncAccuracyValues:
    """Judge a classifier by its scores of shifted clips.

    Of k clips of a video, each ``shift`` seconds later than the one before, the sound of the middle one asks for its
    video among all k, and its video for its sound. An answer is right if it is at most ``within`` places away. After
    Zhang et al., "Audio-Synchronized Visual Animation" (ECCV 2024): 31 clips 0.04 s apart, 5 places, so that chance
    is 11/31.

    Args:
        scores: ``(b, k, k)`` of each sound (row) with each video (column).
        shift: Seconds from one clip to the next.
        within: Places that still count as right.

    Returns:
        The values over all videos; nan where there is none.

    Raises:
        ConfigurationError: If the scores are not ``(b, k, k)`` with odd k.
    """
    return _values(_histogram(scores), shift, within)


class SyncAccuracy(Metric):
    """:func:`sync_accuracy` over all videos of all ranks.

    Args:
        clips: Number of shifted clips of a video; odd.
        shift: Seconds from one clip to the next.
        within: Places that still count as right.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        ConfigurationError: If the number of clips is even, or all places would count as right.
    """

    higher_is_better = True
    full_state_update = False
    is_differentiable = False
    places: Tensor

    def __init__(self, clips: int = CLIPS, shift: float = SHIFT, within: int = WITHIN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if clips % 2 == 0 or not 0 <= within < clips // 2:
            raise ConfigurationError(
                f"The protocol needs an odd number of clips and 0 <= within < clips // 2, not {clips} clips and within "
                f"{within}. The release has {CLIPS} and {WITHIN}."
            )
        self.clips = clips
        self.shift = shift
        self.within = within
        self.add_state("places", torch.zeros(2, clips, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, scores: Tensor) -> None:
        """Take in the scores ``(b, clips, clips)`` of some videos; see :func:`sync_accuracy`.

        Raises:
            ConfigurationError: If they are of another number of clips.
        """
        if scores.shape[-1] != self.clips:
            raise ConfigurationError(f"These are scores of {scores.shape[-1]} clips, but {self.clips} are expected.")
        self.places += _histogram(scores)

    def compute(self) -> SyncAccuracyValues:
        """The values over all videos so far."""
        return _values(self.places, self.shift, self.within)


def _histogram(scores: Tensor) -> Tensor:
    """How often each place was the best match, ``(2, k)``: of videos for sounds, of sounds for videos."""
    clips = scores.shape[-1]
    places = best_matches(scores) + clips // 2
    return torch.stack([torch.bincount(direction, minlength=clips) for direction in places.unbind(dim=1)])


def _values(places: Tensor, shift: float, within: int) -> SyncAccuracyValues:
    distance = (torch.arange(places.shape[1], device=places.device) - places.shape[1] // 2).abs()
    # The last row is a classifier that takes every place equally often.
    rows = torch.cat([places.double(), torch.ones_like(places[:1], dtype=torch.double)])
    shares = rows / rows.sum(dim=1, keepdim=True)
    tolerances = torch.arange(places.shape[1] // 2 + 1, device=places.device)
    right = shares @ (distance[:, None] <= tolerances).double()  # (3, tolerances)
    offsets = shares @ distance.double() * shift
    curve = torch.cat([tolerances[None] * shift, right]).T
    audio_to_video, video_to_audio, chance = right[:, within]
    return SyncAccuracyValues(audio_to_video, video_to_audio, chance, offsets[:2].mean(), offsets[2], curve)
