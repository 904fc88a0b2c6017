"""A page on which to watch clips of a data set: video with sound, and frames over the waveform, by class."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from asva_lightning.files import write_text
from asva_lightning.pages.render import render
from asva_lightning.pages.strip import GUTTER, MARGIN


@dataclass(frozen=True)
class PreviewClip:
    """One clip of the page.

    Args:
        key: Name of the clip.
        category: Class that it is listed under.
        text: Class text.
        note: Length, frame rate and the like, in a few words.
        seconds: Length of the strip.
        shape: Width of the video divided by its height.
        video: An mp4 file with sound.
        strip: Frames over the waveform, as :func:`asva_lightning.pages.strip.strip` draws it.
    """

    key: str
    category: str
    text: str
    note: str
    seconds: float
    shape: float
    video: bytes
    strip: Image.Image


def write_preview(path: Path, name: str, about: str, clips: Sequence[PreviewClip], faults: Sequence[str] = ()) -> None:
    """Write the page as one file that opens from disk: videos and pictures are inside it.

    Args:
        path: The HTML file.
        name: What the page is called.
        about: A line below the title.
        clips: The clips, those of a class together.
        faults: What could not be shown, and why.
    """
    classes: dict[str, list[dict[str, object]]] = {}
    for clip in clips:
        classes.setdefault(clip.category, []).append(_shown(clip))
    write_text(path, render("preview.html.j2", name=name, about=about, classes=classes, faults=faults))


def _shown(clip: PreviewClip) -> dict[str, object]:
    """What the template uses of a clip; where time begins and ends on the strip is a share of its width."""
    picture = io.BytesIO()
    clip.strip.save(picture, "WEBP", quality=80)
    width = clip.strip.width
    return {
        "key": clip.key,
        "text": clip.text,
        "note": clip.note,
        "seconds": clip.seconds,
        "shape": round(clip.shape, 4),
        "video": f"data:video/mp4;base64,{base64.b64encode(clip.video).decode()}",
        "strip": f"data:image/webp;base64,{base64.b64encode(picture.getvalue()).decode()}",
        "begin": round(GUTTER / width, 5),
        "end": round((width - MARGIN - 10) / width, 5),
    }
