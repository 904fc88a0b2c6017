"""RelSync: does a sound fit the generated video better than the true one?"""

from torch import Tensor


def rel_sync(score: Tensor, reference_score: Tensor) -> Tensor:
    """The share of the generated video in a choice between it and the true one.

    ``RelSync = e^f(a, v) / (e^f(a, v) + e^f(a, v_ref))`` with the sync classifier's score ``f`` (Zhang et al.,
    "Audio-Synchronized Visual Animation", ECCV 2024). The true video itself has 0.5.

    Args:
        score: ``f(a, v)`` of the sound with the generated video, ``(b,)``.
        reference_score: ``f(a, v_ref)`` of the same sound with the true video, ``(b,)``.

    Returns:
        One value per clip ``(b,)`` in 0..1; papers report it x 100.
    """
    return (score - reference_score).sigmoid()
