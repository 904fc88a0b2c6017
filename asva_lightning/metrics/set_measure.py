"""Measures that judge a set of clips against another set, not one clip: what such a measure is."""

from typing import Protocol

from torch import Tensor

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media.format import ClipFormat

LEAST_CLIPS = 2


class SetMeasure(Protocol):
    """Anything that judges a set of clips: features of each clip, and a distance between two sets of features.

    The two steps are apart so that features are made once per clip and kept, and the distance is taken as often as
    wanted: of all clips, of each class, of every draw of a bootstrap over clips.
    """

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is better; None where neither is."""

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        """Look at one clip.

        Args:
            pixels: RGB frames ``(3, f, h, w)``, uint8.
            format: Its frame rate and size.

        Returns:
            ``(n, d)``: one row for the clip, or one for each frame that counts. Nothing is kept.
        """

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare two sets.

        Args:
            generated: Features of all generated clips, one after the other, ``(N, d)``.
            reference: Features of all true clips, ``(M, d)``; N and M may differ.

        Returns:
            The distance.

        Raises:
            ConfigurationError: If a set has a single row, or the widths differ.
            WeightsError: If a feature is NaN or infinite.
        """


def require_clips_of_both(generated: int, reference: int, of: str = "all clips") -> None:
    """Refuse sets of which nothing can be said; a class of one clip has no spread, however many its frames are.

    Args:
        generated: Number of generated clips.
        reference: Number of true clips.
        of: Which clips these are, in words.

    Raises:
        ConfigurationError: If either has fewer than two.
    """
    if min(generated, reference) < LEAST_CLIPS:
        raise ConfigurationError(
            f"A distance between sets needs at least {LEAST_CLIPS} generated and {LEAST_CLIPS} true clips, but {of} "
            f"are {generated} generated and {reference} true. Give more clips, or leave this measure out here."
        )


def require_finite(features: Tensor, what: str) -> None:
    """Refuse features that would make every number NaN.

    Args:
        features: Of any shape.
        what: Whose they are, in words, such as the clip's key.

    Raises:
        WeightsError: If one of them is NaN or infinite.
    """
    bad = int((~features.isfinite()).sum())
    if bad:
        raise WeightsError(
            f"{bad} of {features.numel()} features of {what} are NaN or infinite. The judging network's weights are "
            "damaged, or its type is too narrow: fetch them again, or use it in float32."
        )


def require_sets(generated: Tensor, reference: Tensor) -> None:
    """Check two sets of features before a distance is taken.

    Args:
        generated: What should be ``(N, d)`` with N >= 2.
        reference: What should be ``(M, d)`` with M >= 2.

    Raises:
        ConfigurationError: If they are not.
        WeightsError: If a feature is NaN or infinite.
    """
    if generated.ndim != 2 or reference.ndim != 2 or generated.shape[1] != reference.shape[1]:
        raise ConfigurationError(
            f"A distance between sets needs features (N, d) and (M, d), not {tuple(generated.shape)} and "
            f"{tuple(reference.shape)}. Take both from the same network."
        )
    if min(len(generated), len(reference)) < LEAST_CLIPS:
        raise ConfigurationError(
            f"A distance between sets needs at least {LEAST_CLIPS} rows of features of each, not {len(generated)} and "
            f"{len(reference)}: one clip has no spread. Give more clips, or leave this measure out."
        )
    require_finite(generated, "the generated clips")
    require_finite(reference, "the true clips")
