"""The sound of a clip, shifted in time within its source."""

from torch import Tensor


def shifted_window(waveform: Tensor, sample_rate: int, start: float, seconds: float, shift: float) -> Tensor | None:
    """The sound of a window of a source, heard ``shift`` seconds late.

    What is heard is the source's own sound from ``start - shift`` on: real sound of the same kind, without the seam of
    a roll and without silence, each of which a measure could tell from the truth by itself.

    Args:
        waveform: The source's whole sound ``(samples,)``.
        sample_rate: Samples a second.
        start: Start of the window in the source, in seconds.
        seconds: Length of the window in seconds.
        shift: How late the sound is heard, in seconds; early where negative.

    Returns:
        The window's sound ``(round(seconds * sample_rate),)``; None where the source does not reach that far.
    """
    samples = round(seconds * sample_rate)
    first = round((start - shift) * sample_rate)
    if first + samples == len(waveform) + 1:
        first -= 1  # start and length are rounded apart: a window that ends with its source may seem to end behind it
    return waveform[first : first + samples] if first >= 0 and first + samples <= len(waveform) else None
