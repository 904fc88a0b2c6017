"""Any system that animates pictures with sounds, as the tests of following see it, and its videos as files."""

import csv
import hashlib
import io
import json
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from asva_lightning.diffusion.generate import enlargement
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import replace, write_text
from asva_lightning.media import ClipFormat, read_frames, write_clip


class Generator(Protocol):
    """Any system under test: a picture and a sound in, a video out."""

    def __call__(self, picture: Tensor, waveform: Tensor, text: str, seed: int) -> Tensor:
        """Animate one picture.

        Args:
            picture: First frame ``(3, h, w)``, uint8.
            waveform: Mono sound of the clip's length in [-1, 1], ``(samples,)``.
            text: Class text.
            seed: Picks the noise; the same seed must give the same noise, whatever the sound.

        Returns:
            The video ``(3, f, h, w)``, uint8.
        """


@dataclass(frozen=True, eq=False)
class Request:
    """A video that a test asks for.

    Args:
        key: Name of the video's file, without a suffix.
        picture: First frame ``(3, h, w)``, uint8.
        waveform: Sound ``(samples,)``.
        text: Class text.
        seed: Picks the noise.
    """

    key: str
    picture: Tensor
    waveform: Tensor
    text: str
    seed: int


Animate = Callable[[Sequence[Request]], Sequence[Tensor]]
"""A system that takes several requests at once: one video ``(3, f, h, w)`` uint8 each, in their order."""


def one_by_one(generator: Generator) -> Animate:
    """A generator as a system that takes several requests."""

    def animate(requests: Sequence[Request]) -> list[Tensor]:
        return [generator(request.picture, request.waveform, request.text, request.seed) for request in requests]

    return animate


def make_videos(
    requests: Sequence[Request],
    animate: Animate,
    folder: Path,
    format: ClipFormat,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write ``<key>.mp4`` of every request, unless the file is there and ``<key>.json`` says that it was made so.

    Args:
        requests: What is asked for.
        animate: The system under test.
        folder: Where the files are; it is made where missing.
        format: What a clip is.
        about: What identifies the system: a video of another one is made again.

    Raises:
        ConfigurationError: If the system returns videos of another number or shape.
        MediaError: If a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lacking = lacking_videos(requests, folder, about)
    videos = animate(lacking) if lacking else []
    check_videos(videos, lacking, format)
    for request, pixels in zip(lacking, videos):
        large = enlargement(format.height, format.width)
        path = folder / f"{request.key}.mp4"
        # Without its JSON file a video does not count as made, so no old file can pass for a new one.
        _facts_file(request, folder).unlink(missing_ok=True)
        write_clip(path, pixels, format.fps, request.waveform.cpu(), format.sample_rate, enlarge=large)
        facts = json.dumps(_facts(request, about), indent=1, ensure_ascii=False)
        write_text(_facts_file(request, folder), facts + "\n")


def lacking_videos(requests: Sequence[Request], folder: Path, about: Mapping[str, Any] | None = None) -> list[Request]:
    """Those whose video is not there, or was made of something else, or by another system; see :func:`make_videos`."""
    return [request for request in requests if not _is_made(request, folder, about)]


def _is_made(request: Request, folder: Path, about: Mapping[str, Any] | None) -> bool:
    try:
        written = json.loads(_facts_file(request, folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / f"{request.key}.mp4").is_file() and written == json.loads(json.dumps(_facts(request, about)))


def _facts(request: Request, about: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a video depends on; the noise is that of the system's seed which has this number."""
    given = {"picture": request.picture, "sound": request.waveform}
    hashes = {name: hashlib.sha256(value.cpu().contiguous().numpy().tobytes()) for name, value in given.items()}
    return {
        "text": request.text,
        "noise": request.seed,
        **{name: found.hexdigest()[:16] for name, found in hashes.items()},
        "made by": dict(about or {}),
    }


def _facts_file(request: Request, folder: Path) -> Path:
    return folder / f"{request.key}.json"


def check_videos(videos: Sequence[Tensor], requests: Sequence[Request], format: ClipFormat) -> None:
    """Check that a system gave what it was asked for.

    Raises:
        ConfigurationError: If it returned videos of another number or shape.
    """
    if len(videos) != len(requests):
        raise ConfigurationError(f"The generator returned {len(videos)} videos for {len(requests)} requests.")
    asked = 3, format.frames, format.height, format.width
    for request, pixels in zip(requests, videos):
        if tuple(pixels.shape) != asked or pixels.dtype != torch.uint8:
            raise ConfigurationError(
                f"The generator returned {pixels.dtype} {tuple(pixels.shape)} for {request.key!r}, not torch.uint8 "
                f"{asked}. Return every frame of the clip, or test it with its own clip format."
            )


def read_videos(requests: Sequence[Request], folder: Path, format: ClipFormat) -> list[Tensor]:
    """Read ``<key>.mp4`` of every request: videos ``(3, f, h, w)``, uint8, at the times of the format.

    Raises:
        MediaError: If a file is missing, cannot be read, or is too short.
    """
    return [
        read_frames(folder / f"{request.key}.mp4", format.times, format.height, format.width) for request in requests
    ]


def missing_videos(requests: Sequence[Request], folder: Path) -> list[str]:
    """File names of the videos that are asked for and not there."""
    names = [f"{request.key}.mp4" for request in requests]
    return [name for name in names if not (folder / name).is_file()]


def write_requests(requests: Sequence[Request], folder: Path, format: ClipFormat) -> None:
    """Write requests for a system outside this package.

    For each ``<key>.png`` and ``<key>.wav`` (16 bits), and a line in ``pairs.csv`` with the columns ``image``,
    ``audio``, ``text``, ``output`` (the key, which the finished mp4 must have as its stem) and ``seed``.
    ``python -m asva_lightning animate --pairs`` reads it too.

    Args:
        requests: What is asked for.
        folder: Where to; it is made where missing.
        format: What a clip is.
    """
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["image", "audio", "text", "output", "seed"])
    for request in requests:
        with replace(folder / f"{request.key}.png") as path:
            Image.fromarray(request.picture.permute(1, 2, 0).cpu().numpy()).save(path)
        with replace(folder / f"{request.key}.wav") as path:
            _write_wav(path, request.waveform, format.sample_rate)
        rows.writerow([f"{request.key}.png", f"{request.key}.wav", request.text, request.key, request.seed])
    write_text(folder / "pairs.csv", table.getvalue())


def _write_wav(path: Path, waveform: Tensor, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((waveform.cpu().clamp(-1, 1) * 32767).round().to(torch.int16).numpy().astype("<i2").tobytes())
