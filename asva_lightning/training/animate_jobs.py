"""What to animate: a film's picture, sound and text, and where a picture comes from if none is given."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from asva_lightning.errors import ConfigurationError, RunError
from asva_lightning.media import ClipFormat, PlacedPicture, place_picture
from asva_lightning.media.placement import place
from asva_lightning.runs.folder import RunFolder


@dataclass(frozen=True)
class Job:
    """One film to make.

    Args:
        image: File of the picture, which may be a video.
        audio: File of the sound.
        text: Class text; ``None`` where none was given.
        output: Name of the film without a suffix; that of the sound if empty.
    """

    image: str
    audio: str
    text: str | None = None
    output: str = ""

    @property
    def name(self) -> str:
        """Name of the film, without a suffix."""
        return self.output or Path(self.audio).stem

    @property
    def origin(self) -> dict[str, Any]:
        """What the film depends on besides the settings; a file that is changed is another one."""
        return {"image": _state(self.image), "audio": _state(self.audio), "text": self.text or ""}


@dataclass(frozen=True)
class Pictures:
    """Finds the first frame of a job.

    Args:
        format: What a clip is.
        fit: How a picture of another shape is made to fit.
        run: The run whose own pictures may be used, if there is one.
        text_to_image: Folder or Hub id of a text-to-image model, if one is to paint.
        seed: Seed of what is painted.
    """

    format: ClipFormat
    fit: Literal["crop", "pad"]
    run: RunFolder | None
    text_to_image: str | None
    seed: int

    def of(self, image: str | None, text: str | None) -> tuple[PlacedPicture, str]:
        """The first frame of a film and its class text.

        Args:
            image: File of the picture, which may be a video; where there is none, one is painted or found.
            text: Class text, where one was given.

        Raises:
            RunError: If there is no picture.
            MediaError: If the picture cannot be read.
        """
        if image is not None:
            return self._placed(image), text or ""
        if self.text_to_image is not None:
            return self._paint(text or ""), text or ""
        if self.run is None:
            raise RunError(
                "There is no picture. Give --image FILE, --video FILE, or --text_to_image FOLDER with --text."
            )
        file, known = picture_of_run(self.run, text)
        return self._placed(str(file)), known

    def _placed(self, path: str) -> PlacedPicture:
        return place_picture(path, self.format.height, self.format.width, self.fit)

    def _paint(self, text: str) -> PlacedPicture:
        from diffusers import AutoPipelineForText2Image

        if not text:
            raise ConfigurationError("--text_to_image paints what --text says; give --text.")
        painter = AutoPipelineForText2Image.from_pretrained(self.text_to_image).to(
            "cuda" if torch.cuda.is_available() else "cpu"
        )
        generator = torch.Generator("cpu").manual_seed(self.seed)
        height, width = (-(-side // 8) * 8 for side in (self.format.height, self.format.width))
        array = painter(text, height=height, width=width, generator=generator, output_type="np").images[0]
        pixels: Tensor = (torch.from_numpy(array).permute(2, 0, 1) * 255).round().to(torch.uint8)
        return place(pixels, self.format.height, self.format.width)


def picture_of_run(run: RunFolder, text: str | None) -> tuple[Path, str]:
    """The first picture among the run's samples, of the given class text if there is one, and its text.

    Raises:
        RunError: If there is none.
    """
    files = sorted(run.samples.glob("step_*/*.json"))
    newest = max((file.parent for file in files), default=None)
    for file in (file for file in files if file.parent == newest):
        facts = json.loads(file.read_text(encoding="utf-8"))
        if "picture" in facts and text in (None, facts["text"]):
            return file.parent / facts["picture"], facts["text"]
    texts = sorted({json.loads(file.read_text(encoding="utf-8"))["text"] for file in files})
    which = f"no sample with the text {text!r}, but of {texts}" if texts else "no samples"
    raise RunError(f"{run.path} has {which} to take a picture from. Give one with --image.")


def _state(path: str) -> list[str | int]:
    """Name, size and time of change of a file; the name alone where it is missing."""
    try:
        status = Path(path).stat()
    except OSError:
        return [Path(path).name]
    return [Path(path).name, status.st_size, status.st_mtime_ns]
