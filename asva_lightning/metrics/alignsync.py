"""AlignSync: RelSync, of which the more counts the better the frames fit the sound in kind."""

from torch import Tensor


def align_sync(rel_sync: Tensor, similarity: Tensor, reference_similarity: Tensor) -> Tensor:
    """RelSync times how well the generated frames keep to what the sound is of.

    ``AlignSync = RelSync x mean over frames t >= 1 of e^s_t / (e^s_t + e^s_0)`` (Zhang et al., "Audio-Synchronized
    Visual Animation", ECCV 2024). Frame 0 is given to the model, so it does not count. A true video has about 0.25.

    Args:
        rel_sync: RelSync of each clip, ``(b,)``.
        similarity: ``s_t``, ImageBind's cosine of each generated frame from the second on and the sound,
            ``(b, f - 1)``.
        reference_similarity: ``s_0``, that of the first frame of the true video and the sound, ``(b,)``.

    Returns:
        One value per clip ``(b,)`` in 0..1; papers report it x 100.
    """
    return rel_sync * (similarity - reference_similarity[:, None]).sigmoid().mean(dim=1)
