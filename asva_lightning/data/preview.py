"""Some clips of each class, for a page on which to watch them."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from asva_lightning.data.batch import BadClip
from asva_lightning.data.clips import open_member
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.data.mixture import Mixture
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.media import ClipFormat, probe, read_clip, write_clip
from asva_lightning.pages.preview import PreviewClip, write_preview
from asva_lightning.pages.strip import strip
from asva_lightning.worklist import work

FPS = 15.0
LONGEST = 10.0
"""Seconds of a clip that are shown."""
PICTURES = 12
"""Frames over the waveform."""


@dataclass(frozen=True)
class Shown:
    """A clip of the page.

    Args:
        number: Its place on the page.
        sample: The clip.
    """

    number: int
    sample: SampleRecord

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.sample.key} in {self.sample.address}"


def preview(
    opened: Mixture, page: Path, split: str = "train", clips_per_class: int = 3, height: int = 128, workers: int = 1
) -> list[BadClip]:
    """Write a page with some clips of each class of a split.

    Clips are made in ``<page>.partial``, which is removed at the end; stopped and started again, it continues.

    Args:
        opened: The shards.
        page: The HTML file.
        split: The split to show.
        clips_per_class: Clips of each class, spread evenly over it.
        height: Height of the videos in pixels.
        workers: Processes.

    Returns:
        Clips that could not be read.

    Raises:
        ConfigurationError: If there would be nothing to see, or an unfinished page has other settings.
        ShardsError: If there is no such split.
    """
    if clips_per_class < 1 or height < 16:
        raise ConfigurationError(
            f"--clips_per_class must be at least 1 and --height at least 16, not {clips_per_class} and {height}."
        )
    samples = opened.samples(split)
    items = [Shown(number, sample) for number, sample in enumerate(_spread(samples, clips_per_class))]
    unfinished = page.absolute().with_name(f"{page.name}.partial")
    unfinished.mkdir(parents=True, exist_ok=True)
    outcome = work(
        items,
        partial(_make, unfinished, height),
        key=lambda item: item.name,
        title=f"clips for {page}",
        journal=unfinished / "journal.jsonl",
        workers=workers,
        settings={"shards": opened.name, "split": split, "clips_per_class": clips_per_class, "height": height},
    )
    shown = [_read(unfinished, item, outcome.results[item.name]) for item in items if item.name in outcome.results]
    classes = len({sample.category for sample in samples})
    about = f"{len(samples)} clips of {classes} class{'es' * (classes != 1)} in {split}; {len(shown)} of them are shown"
    write_preview(page, opened.name, about, shown, [f"{name}: {reason}" for name, reason in outcome.failures])
    shutil.rmtree(unfinished)
    of_name = {item.name: item.sample for item in items}
    return [BadClip(of_name[name].address, of_name[name].key, reason) for name, reason in outcome.failures]


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


def _make(folder: Path, height: int, item: Shown) -> dict[str, Any]:
    """Write the files of one clip, and tell what the page says of it."""
    try:
        return _clip(item.sample, height, _video(folder, item), _strip(folder, item))
    except MediaError as error:
        raise ShardsError(error.reason) from error  # the name of the clip stands before it


def _clip(sample: SampleRecord, height: int, video: Path, drawn: Path) -> dict[str, Any]:
    """Write a small copy of a clip's beginning, and its strip."""
    media = open_member(sample)
    info = probe(media)
    width = max(2, round(height * info.width / max(1, info.height) / 2) * 2)
    fps = min(FPS, max(1.0, info.fps))
    frames = max(1, int(min(info.seconds, LONGEST) * fps))
    clip = read_clip(media, ClipFormat(frames, fps, height, width), 0.0)
    write_clip(video, clip.pixels, fps, clip.waveform, ClipFormat.sample_rate, quality=26)
    pictures = min(PICTURES, frames)
    kept = torch.arange(pictures) * frames // pictures  # each is shown where its stretch of time begins
    pixels = clip.pixels[:, kept]
    motion = pixels.float().diff(dim=1).abs().mean(dim=(0, 2, 3)) / 255  # as the strips of a run have it
    seconds = frames / fps
    onsets = [float(onset) for onset in sample.extra.get("onsets", ())]
    strip(
        pixels, clip.waveform, pictures / seconds, ClipFormat.sample_rate, onsets, motion.tolist(), sample.text
    ).save(drawn)  # fmt: skip
    note = f"{sample.seconds:.1f} s, {info.width}x{info.height}, {info.fps:.3g} frames a second, {info.picture_codec}"
    return {"note": note, "seconds": seconds, "shape": width / height}


def _read(folder: Path, item: Shown, told: dict[str, Any]) -> PreviewClip:
    """A clip as the page takes it."""
    sample = item.sample
    with Image.open(_strip(folder, item)) as drawn:
        drawn.load()
    return PreviewClip(
        sample.key, sample.category, sample.text, told["note"], told["seconds"], told["shape"],
        _video(folder, item).read_bytes(), drawn,
    )  # fmt: skip


def _video(folder: Path, item: Shown) -> Path:
    return folder / f"{item.number}.mp4"


def _strip(folder: Path, item: Shown) -> Path:
    return folder / f"{item.number}.png"
