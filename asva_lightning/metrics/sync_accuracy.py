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


class SyncedVideos(NamedTuple):
    """What the protocol says of each video, ``(b,)``; nan where a score is no finite number.

    Args:
        audio_to_video: Whether the best video is near enough: 1 or 0, or the share of equally good ones that are.
        video_to_audio: Whether the best sound is.
        offset: Distance of the best match, the mean of both directions, in seconds.
    """

    audio_to_video: Tensor
    video_to_audio: Tensor
    offset: Tensor


def best_matches(scores: Tensor) -> Tensor:
    """Where the best match of the middle clip is.

    Places with the same best score share the match: the classifier does not tell them apart, so that any of them would
    be a guess. One that gives all places the same score is at chance.

    Args:
        scores: ``(b, k, k)`` of each sound (row) with each video (column) of k shifted clips.

    Returns:
        ``(b, 2, k)`` float64: the share of each place in the best video for the middle sound, and in the best sound for
        the middle video; 1 at one place as a rule. All nan where one of these scores is NaN or infinite: there is no
        best of them.

    Raises:
        ConfigurationError: If the scores are not ``(b, k, k)`` with odd k, so that there is no middle.
    """
    best = _best(scores)
    return best.double() / best.sum(dim=-1, keepdim=True)


def sync_of_videos(scores: Tensor, shift: float = SHIFT, within: int = WITHIN) -> SyncedVideos:
    """Judge a classifier video by video; the means are those of :func:`sync_accuracy`, for the arguments see there."""
    _require(scores.shape[-1], within)
    shares = best_matches(scores)
    distance = _distance(shares)
    right = shares @ (distance <= within).double()
    return SyncedVideos(right[:, 0], right[:, 1], (shares @ distance.double()).mean(dim=1) * shift)


def sync_accuracy(scores: Tensor, shift: float = SHIFT, within: int = WITHIN) -> SyncAccuracyValues:
    """Judge a classifier by its scores of shifted clips.

    Of k clips of a video, each ``shift`` seconds later than the one before, the sound of the middle one asks for its
    video among all k, and its video for its sound. An answer is right if it is at most ``within`` places away. After
    Zhang et al., "Audio-Synchronized Visual Animation" (ECCV 2024): 31 clips 0.04 s apart, 5 places, so that chance
    is 11/31. Equal scores share an answer (see :func:`best_matches`).

    Args:
        scores: ``(b, k, k)`` of each sound (row) with each video (column).
        shift: Seconds from one clip to the next.
        within: Places that still count as right.

    Returns:
        The values over all videos. All but those of chance are nan where there is none, and where a score is NaN or
        infinite: a share of those videos that a broken classifier can judge would flatter it.

    Raises:
        ConfigurationError: If the scores are not ``(b, k, k)`` with odd k, or all places would count as right.
    """
    _require(scores.shape[-1], within)
    return _values(*_counts(scores), shift, within)


class SyncAccuracy(Metric):
    """:func:`sync_accuracy` over all videos of all ranks.

    Scores that are NaN are no error here but make the values nan, so that validation says that a network has diverged
    and does not end its training. ``unjudged`` counts such videos in each direction.

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
    unjudged: Tensor

    def __init__(self, clips: int = CLIPS, shift: float = SHIFT, within: int = WITHIN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _require(clips, within)
        self.clips = clips
        self.shift = shift
        self.within = within
        # How many places share a match, and which: whole numbers, which no type of a network can round.
        self.add_state("places", torch.zeros(2, clips, clips, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("unjudged", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, scores: Tensor) -> None:
        """Take in the scores ``(b, clips, clips)`` of some videos; see :func:`sync_accuracy`.

        Raises:
            ConfigurationError: If they are of another number of clips.
        """
        if scores.shape[-1] != self.clips:
            raise ConfigurationError(f"These are scores of {scores.shape[-1]} clips, but {self.clips} are expected.")
        places, unjudged = _counts(scores)
        self.places += places
        self.unjudged += unjudged

    def compute(self) -> SyncAccuracyValues:
        """The values over all videos so far."""
        return _values(self.places, self.unjudged, self.shift, self.within)


def _require(clips: int, within: int) -> None:
    if clips % 2 == 0 or not 0 <= within < clips // 2:
        raise ConfigurationError(
            f"The protocol needs an odd number of clips and 0 <= within < clips // 2, not {clips} clips and within "
            f"{within}. The release has {CLIPS} and {WITHIN}."
        )


def _best(scores: Tensor) -> Tensor:
    """Which places have the best score for the middle sound and for the middle video, ``(b, 2, k)``; none of NaN."""
    if scores.ndim != 3 or scores.shape[1] != scores.shape[2] or scores.shape[1] % 2 == 0:
        raise ConfigurationError(
            f"The protocol needs scores (b, k, k) of an odd number k of shifted clips, not {tuple(scores.shape)}."
        )
    middle = scores.shape[1] // 2
    asked = torch.stack([scores[:, middle], scores[:, :, middle]], dim=1)
    return (asked == asked.amax(dim=-1, keepdim=True)) & asked.isfinite().all(dim=-1, keepdim=True)


def _counts(scores: Tensor) -> tuple[Tensor, Tensor]:
    """How often each place was a best match among n, ``(2, k, k)`` from n = 1, and videos without one, ``(2,)``."""
    best = _best(scores)
    equals = best.sum(dim=-1)
    numbers = torch.arange(1, best.shape[-1] + 1, device=best.device)
    among = equals[..., None] == numbers  # (b, 2, n)
    places = (among[..., None] & best[:, :, None]).sum(dim=0)
    return places, (equals == 0).sum(dim=0)


def _distance(places: Tensor) -> Tensor:
    """Of each place ``(k,)`` from the middle, for a tensor ``(..., k)``."""
    clips = places.shape[-1]
    return (torch.arange(clips, device=places.device) - clips // 2).abs()


def _values(places: Tensor, unjudged: Tensor, shift: float, within: int) -> SyncAccuracyValues:
    distance = _distance(places)
    numbers = torch.arange(1, len(distance) + 1, device=places.device)
    counts = (places.double() / numbers[:, None]).sum(dim=1).masked_fill(unjudged[:, None] > 0, torch.nan)
    # The last row is a classifier that takes every place equally often.
    rows = torch.cat([counts, torch.ones_like(counts[:1])])
    shares = rows / rows.sum(dim=1, keepdim=True)
    tolerances = torch.arange(len(distance) // 2 + 1, device=places.device)
    right = shares @ (distance[:, None] <= tolerances).double()  # (3, tolerances)
    offsets = shares @ distance.double() * shift
    curve = torch.cat([tolerances[None].double() * shift, right]).T
    audio_to_video, video_to_audio, chance = right[:, within]
    return SyncAccuracyValues(audio_to_video, video_to_audio, chance, offsets[:2].mean(), offsets[2], curve)
