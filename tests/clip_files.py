"""Real media files for tests: what is in them, and a folder of them in AVSync15's layout."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from asva_lightning.media import write_clip

RATE = 16_000
FPS = 12
CLASSES = {"dog_barking": "dog barking", "hammering": "hammering", "striking_bowling": "striking bowling"}


def clicking_square(
    number: int, seconds: float = 3.0, fps: float = FPS, height: int = 48, width: int = 64
) -> tuple[Tensor, Tensor]:
    """A square that jumps at each click, on a background that grows brighter all the time.

    Args:
        number: Another number gives other times, another colour and another tone.
        seconds: Length.
        fps: Frames a second.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        Pixels ``(3, f, h, w)`` and waveform ``(samples,)``.
    """
    frames = round(seconds * fps)
    clicks = [0.3 + 0.07 * (number % 7) + 0.75 * turn for turn in range(int(seconds / 0.75))]
    ramp = torch.linspace(30, 200, frames).to(torch.uint8)
    pixels = ramp[None, :, None, None].repeat(3, 1, height, width)
    colour = torch.tensor([255, 40 * (number % 5), 0], dtype=torch.uint8).roll(number)[:, None, None]
    for frame in range(frames):
        jumps = sum(click <= frame / fps for click in clicks)
        left = width // 16 if jumps % 2 == 0 else width // 2
        pixels[:, frame, height // 4 : height // 2, left : left + width // 4] = colour
    since = torch.arange(round(seconds * RATE)) / RATE
    waveform = 0.1 * torch.sin(2 * torch.pi * (200 + 30 * number) * since)
    for click in clicks:
        first = round(click * RATE)
        waveform[first : first + 80] += 0.8 * torch.linspace(1, 0, 80)[: max(0, len(waveform) - first)]
    return pixels, waveform


def write_clicking_square(path: Path, number: int, sound: bool = True, **options: float) -> None:
    """Write one such clip; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels, waveform = clicking_square(number, **options)
    write_clip(path, pixels, options.get("fps", FPS), waveform if sound else None, RATE)


def write_clip_folder(folder: Path) -> None:
    """Three classes of three clips to train and one to test, with lists and class texts."""
    write_layout(folder, CLASSES, "clip{0}_000010_000020-{0}.5_{1}.5.mp4", write_clicking_square)


def write_layout(folder: Path, texts: dict[str, str], name: str, write: Callable[[Path, int], None]) -> None:
    """AVSync15's layout, three clips of each class to train and one to test.

    Args:
        folder: The folder to write.
        texts: Class folder to class text.
        name: Name of a file; ``{0}`` is its number in the class, ``{1}`` three more.
        write: Writes one clip, told its number among all.
    """
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for place, category in enumerate(texts):
        for turn in range(4):
            file = f"{category}/{name.format(turn, turn + 3)}"
            write(folder / "videos" / file, 4 * place + turn)
            lists["test" if turn == 3 else "train"].append(file)
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")
    (folder / "class_mapping.json").write_text(json.dumps(texts))
