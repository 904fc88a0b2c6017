"""Samples that hold NaN or infinity: which they are, and what to say of them."""

from torch import Tensor

from asva_lightning.errors import WeightsError

NOT_FINITE = "the sample holds values that are no finite numbers"
"""Why a clip cannot be judged; its pixels would be black in places, which is a quiet number."""

ADVICE = (
    "The training has diverged, the weights are damaged, or their type is too narrow: take an earlier checkpoint, or "
    "sample in float32."
)


def finite_clips(*values: Tensor) -> list[bool]:
    """Of each clip, whether all is finite that is known of it.

    Args:
        values: ``(b, ...)``, such as latents and their frames, before any clamp or cast: these hide what is no number.
    """
    return [all(bool(value.isfinite().all()) for value in of_clip) for of_clip in zip(*values)]


def not_finite(where: str) -> WeightsError:
    """The error for a sample that is no video.

    Args:
        where: Begins the message: which sample it is.
    """
    return WeightsError(f"{where} {NOT_FINITE}. {ADVICE}")
