"""Folders of generated clips, made from true ones."""

import json
from pathlib import Path

from asva_lightning.media import ClipFormat, read_clip, write_clip

FORMAT = ClipFormat(frames=6, fps=6, height=48, width=64)
"""One second."""

WORDS = ["--format.frames=6", "--format.fps=6", "--format.height=48", "--format.width=64", "--workers=1"]
STARTS = (0.0, 1.0, 2.0)
"""Where three clips of 1 s start that are spread over 3 s."""


def true_files(clip_folder: Path) -> list[Path]:
    """The true clips of the test split."""
    names = (clip_folder / "test.txt").read_text().split()
    return [clip_folder / "videos" / name for name in names]


def write_system(clip_folder: Path, folder: Path, brighter: int = 0, **options) -> Path:
    """What a perfect system would make, three clips of each true one, brighter from frame 1 on."""
    for file in true_files(clip_folder):
        for number, start in enumerate(STARTS):
            clip = read_clip(file, FORMAT, start)
            pixels = clip.pixels.int()
            pixels[:, 1:] = (pixels[:, 1:] + brighter).clamp(max=255)
            path = folder / file.parent.name / f"{file.stem}_clip-{number:02d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_clip(path, pixels.byte(), FORMAT.fps, clip.waveform, FORMAT.sample_rate, **options)
            about = {"guidance": {"audio": 4.0, "text": 1.0}, "seed": 3, "secret": "x"}
            path.with_suffix(".json").write_text(json.dumps(about))
    return folder
