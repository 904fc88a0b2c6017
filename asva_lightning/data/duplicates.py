"""Clips that are the same, or were cut from the same recording, found by their fingerprints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asva_lightning.data.fingerprints import HASH_BITS, PRINT_BITS

PICTURE_BITS = 13.0
"""Pictures that differ by at most so many of 63 bits on average are the same."""
SOUND_ERRORS = 0.25
"""Sounds in which at most this share of the bits differs are the same; of two that are not, half the bits differ."""
LEAST_PRINTS = 62
"""Sounds are compared where they overlap by at least so many prints: one second."""

_BLOCK = 2048
_MOST_PLACES = 200
_LEAST_VOTES = 3


@dataclass(frozen=True)
class Fingerprint:
    """What is known of one clip.

    Args:
        hashes: Bits of pictures, ``(f, 63)``.
        prints: Fingerprints of the sound, ``(n,)``.
    """

    hashes: NDArray[np.bool_]
    prints: NDArray[np.int64]


def same_pictures(clips: Sequence[Fingerprint], bits: float = PICTURE_BITS) -> dict[tuple[int, int], float]:
    """Pairs of clips of which one shows only what the other shows as well.

    Each picture of a clip is compared with that picture of the other that is most like it, so that it does not matter
    where the clips were cut. The work grows with the square of the number of pictures: 1,500 clips of 5 s take two
    seconds of one core, 100,000 some hours.

    Args:
        clips: The clips.
        bits: How many bits may differ on average.

    Returns:
        Numbers of both clips, the lower first, to the mean number of bits that differ.
    """
    seen = [number for number, clip in enumerate(clips) if len(clip.hashes)]
    if len(seen) < 2:
        return {}
    signs = np.concatenate([clips[number].hashes for number in seen]).astype(np.float32) * 2 - 1
    counts = np.array([len(clips[number].hashes) for number in seen])
    firsts = np.cumsum(counts) - counts
    found: dict[tuple[int, int], float] = {}
    blocks = list(_blocks(counts))
    pictures = [slice(firsts[begin], firsts[end - 1] + counts[end - 1]) for begin, end in blocks]
    for (begin, end), rows in zip(blocks, pictures):
        for (start, stop), columns in zip(blocks, pictures):  # all columns at once would be gigabytes
            differing = (HASH_BITS - signs[rows] @ signs[columns].T) / 2
            nearest = np.minimum.reduceat(differing, firsts[start:stop] - firsts[start], axis=1)
            means = np.add.reduceat(nearest, firsts[begin:end] - firsts[begin], axis=0) / counts[begin:end, None]
            for row, column in np.argwhere(means <= bits):
                one, two = sorted((seen[begin + row], seen[start + column]))
                if one != two:
                    value = float(means[row, column])
                    found[one, two] = min(value, found.get((one, two), value))
    return found


def _blocks(counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Stretches of clips whose pictures fill a side of a block of memory."""
    begin = 0
    while begin < len(counts):
        end = begin + max(1, int(np.searchsorted(np.cumsum(counts[begin:]), _BLOCK, side="right")))
        yield begin, end
        begin = end


def same_sounds(clips: Sequence[Fingerprint], errors: float = SOUND_ERRORS) -> dict[tuple[int, int], float]:
    """Pairs of clips whose sounds are the same where they overlap, wherever they were cut.

    Only pairs that have some prints in common at the same distance in time are compared: of a sound that was encoded
    again a good part of the prints stay as they are.

    Args:
        clips: The clips.
        errors: Which share of the bits may differ.

    Returns:
        Numbers of both clips, the lower first, to the share of bits that differ.
    """
    found: dict[tuple[int, int], float] = {}
    for (one, two, shift), votes in _votes(clips).items():
        if votes >= _LEAST_VOTES:
            share = _share_of_errors(clips[one].prints, clips[two].prints, shift)
            if share <= errors:
                found[one, two] = min(share, found.get((one, two), share))
    return found


def _votes(clips: Sequence[Fingerprint]) -> Counter[tuple[int, int, int]]:
    """How many prints two clips have in common at a distance in time; prints that are everywhere tell nothing."""
    words = np.concatenate([clip.prints for clip in clips]) if clips else np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(clips)), [len(clip.prints) for clip in clips])
    place = np.concatenate([np.arange(len(clip.prints)) for clip in clips]) if clips else words
    order = np.argsort(words, kind="stable")
    order = order[words[order] >= 0]
    edges = np.flatnonzero(np.diff(words[order], prepend=-1, append=-1))
    votes: Counter[tuple[int, int, int]] = Counter()
    for begin, end in zip(edges[:-1], edges[1:]):
        if 2 <= end - begin <= _MOST_PLACES:
            group = [(int(owner[index]), int(place[index])) for index in order[begin:end]]
            for number, (one, first) in enumerate(group):
                votes.update((one, two, second - first) for two, second in group[number + 1 :] if two != one)
    return votes


def _share_of_errors(one: NDArray[np.int64], two: NDArray[np.int64], shift: int) -> float:
    """Which share of bits differs where two sounds overlap, if the second is moved; 1 where they hardly do."""
    first = max(0, -shift)
    length = min(len(one) - first, len(two) - first - shift)
    if length < LEAST_PRINTS:
        return 1.0
    here, there = one[first : first + length], two[first + shift : first + shift + length]
    heard = (here >= 0) & (there >= 0)
    if heard.sum() < LEAST_PRINTS:
        return 1.0
    return float(np.bitwise_count(here[heard] ^ there[heard]).sum() / (PRINT_BITS * heard.sum()))
