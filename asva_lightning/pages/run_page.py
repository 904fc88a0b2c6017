"""The page of a run: samples by step, beside the truth, and every metric."""

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asva_lightning.files import read_json_lines, write_text
from asva_lightning.pages.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, read_curves
from asva_lightning.pages.render import render

logger = logging.getLogger(__name__)

_FILES = ("picture", "sound", "strip", "reference")


def write_run_page(folder: Path) -> Path:
    """Write ``index.html`` of a run folder from what lies in the folder.

    Samples are ``samples/step_000500/<clip>.mp4``, each with a ``<clip>.json`` of the keys ``key``, ``text``, ``step``,
    ``seed``, ``guidance``, ``scores`` (numbers by name) and the optional file names ``picture``, ``sound``, ``strip``
    and ``reference`` (the true video), which are relative to the JSON file. Metrics are read from ``metrics.jsonl``,
    the configuration from ``config.yaml``. Each may be missing; the page says so.

    Args:
        folder: The run folder.

    Returns:
        The page. It opens from disk, and refers to the videos by relative paths.
    """
    samples = list(_read_samples(folder))
    lines = read_json_lines(folder / "metrics.jsonl")
    config = folder / "config.yaml"
    page = render(
        "run_page.html.j2",
        name=folder.resolve().name,
        steps=sorted({sample["step"] for sample in samples}),
        clips=_by_clip(samples),
        curves=read_curves(folder / "metrics.jsonl"),
        chart={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        last_step=lines[-1]["step"] if lines else None,
        updated=_for_people(lines[-1]["time"] if lines else None),
        config=config.read_text(encoding="utf-8") if config.exists() else "",
    )
    write_text(folder / "index.html", page)
    return folder / "index.html"


def _read_samples(folder: Path) -> Iterator[dict[str, Any]]:
    """Every sample with a readable JSON file, by step and name."""
    for file in sorted((folder / "samples").glob("step_*/*.json")):
        try:
            sample = json.loads(file.read_text(encoding="utf-8"))
            known = {"key": str(sample["key"]), "step": int(sample["step"]), "scores": dict(sample.get("scores") or {})}
        except (ValueError, TypeError, KeyError) as error:
            logger.warning("%s does not describe a sample (%r) and is left out of the page.", file, error)
            continue
        names = {name: sample.get(name) for name in _FILES} | {"video": f"{file.stem}.mp4"}
        yield sample | known | {name: _link(folder, file.parent, value) for name, value in names.items()}


def _link(folder: Path, place: Path, name: str | None) -> str | None:
    """A relative address of a file as seen from the page, or None if there is no such file."""
    if not name or not (place / name).is_file():
        return None
    return quote(Path(os.path.relpath(place / name, folder)).as_posix())


def _by_clip(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a clip, with its samples by step; what stays the same is taken from the newest."""
    clips: dict[str, dict[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: sample["step"]):
        clip = clips.setdefault(sample["key"], {"samples": {}})
        clip["samples"][sample["step"]] = {
            "video": sample["video"],
            "strip": sample["strip"],
            "note": _note(sample),
            "scores": {str(name): _number(value) for name, value in sample["scores"].items()},
        }
        clip |= {"key": sample["key"], "text": str(sample.get("text") or "")}
        clip |= {name: sample[name] or clip.get(name) for name in ("picture", "sound", "reference")}
    return [clips[key] for key in sorted(clips)]


def _note(sample: dict[str, Any]) -> str:
    """Seed and guidance in a few words."""
    guidance = sample.get("guidance")
    if isinstance(guidance, dict):
        guidance = ", ".join(f"{name} {_number(value)}" for name, value in guidance.items())
    parts = [("seed", sample.get("seed")), ("guidance", guidance)]
    return " · ".join(f"{name} {_number(value)}" for name, value in parts if value is not None)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _for_people(time: str | None) -> str:
    moment = datetime.fromisoformat(time) if time else datetime.now().astimezone()
    return moment.strftime("%d %B %Y, %H:%M")
