"""Some clips of each class, for a page on which to watch them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from asva_lightning.data.batch import BadClip
from asva_lightning.data.clips import open_member
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.mixture import Mixture
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.media import ClipFormat, probe, read_clip, write_clip
from asva_lightning.pages.preview import PreviewClip, write_preview
from asva_lightning.pages.strip import strip

FPS = 15.0
LONGEST = 10.0
"""Seconds of a clip that are shown."""
PICTURES = 12
"""Frames over the waveform."""


def preview(
    opened: Mixture, page: Path, split: str = "train", clips_per_class: int = 3, height: int = 128
) -> list[BadClip]:
    """Write a page with some clips of each class of a split.

    Args:
        opened: The shards.
        page: The HTML file.
        split: The split to show.
        clips_per_class: Clips of each class, spread evenly over it.
        height: Height of the videos in pixels.

    Returns:
        Clips that could not be read.

    Raises:
        ConfigurationError: If there would be nothing to see.
        ShardsError: If there is no such split.
    """
    if clips_per_class < 1 or height < 16:
        raise ConfigurationError(
            f"--clips_per_class must be at least 1 and --height at least 16, not {clips_per_class} and {height}."
        )
    samples = opened.samples(split)
    shown, bad = [], []
    for sample in _spread(samples, clips_per_class):
        try:
            shown.append(_clip(sample, height))
        except MediaError as error:
            bad.append(BadClip(sample.address, sample.key, error.reason))
    classes = len({sample.category for sample in samples})
    about = f"{len(samples)} clips of {classes} class{'es' * (classes != 1)} in {split}; {len(shown)} of them are shown"
    write_preview(page, opened.name, about, shown, [f"{clip.key} in {clip.shard}: {clip.reason}" for clip in bad])
    return bad


def _spread(samples: Sequence[SampleRecord], count: int) -> list[SampleRecord]:
    """So many samples of each class, by class."""
    classes: dict[str, list[SampleRecord]] = {}
    for sample in samples:
        classes.setdefault(sample.category, []).append(sample)
    return [
        clips[place]
        for _, clips in sorted(classes.items())
        for place in np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)
    ]


def _clip(sample: SampleRecord, height: int) -> PreviewClip:
    """A small copy of a clip's beginning, and its strip."""
    media = open_member(sample)
    info = probe(media)
    width = max(2, round(height * info.width / max(1, info.height) / 2) * 2)
    fps = min(FPS, max(1.0, info.fps))
    frames = max(1, int(min(info.seconds, LONGEST) * fps))
    clip = read_clip(media, ClipFormat(frames, fps, height, width), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "clip.mp4"
        write_clip(small, clip.pixels, fps, clip.waveform, ClipFormat.sample_rate, quality=26)
        video = small.read_bytes()
    pictures = min(PICTURES, frames)
    kept = torch.arange(pictures) * frames // pictures  # each is shown where its stretch of time begins
    pixels = clip.pixels[:, kept]
    motion = pixels.float().diff(dim=1).abs().mean(dim=(0, 2, 3))
    seconds = frames / fps
    onsets = [float(onset) for onset in sample.extra.get("onsets", ())]
    drawn = strip(
        pixels, clip.waveform, pictures / seconds, ClipFormat.sample_rate, onsets, motion.tolist(), sample.text
    )
    note = f"{sample.seconds:.1f} s, {info.width}x{info.height}, {info.fps:.3g} frames a second, {info.picture_codec}"
    return PreviewClip(sample.key, sample.category, sample.text, note, seconds, width / height, video, drawn)
