"""Small run folders with real videos, and a real browser."""

import json
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest


def write_video(path: Path, brightness: int, frames: int = 12, fps: int = 6, size: int = 64) -> None:
    """A square that falls over a grey ground."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            picture = np.full((size, size, 3), brightness, np.uint8)
            picture[index * 4 : index * 4 + 12, 24:40] = (250, 120, 40)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def write_sample(folder: Path, step: int, key: str, **more: object) -> Path:
    """One sample of a run: video and JSON."""
    place = folder / "samples" / f"step_{step:06d}"
    write_video(place / f"{key}.mp4", brightness=60 + step // 10)
    sample = {"key": key, "text": f"class of {key}", "step": step, "seed": 7, "guidance": 4.0, "scores": {}, **more}
    (place / f"{key}.json").write_text(json.dumps(sample))
    return place


def browse(page: Path, *words: str, fragment: str = "", milliseconds: int = 5000) -> tuple[str, str]:
    """Open a page in Chromium; returns the document after its scripts have run, and what the browser said."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine; install it to test pages in a browser")
    done = subprocess.run(
        [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={page.parent / '.browser'}",
            f"--virtual-time-budget={milliseconds}",
            "--enable-logging=stderr",
            "--autoplay-policy=no-user-gesture-required",  # A script cannot click as a person does.
            *(words or ("--dump-dom",)),
            page.resolve().as_uri() + fragment,
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return done.stdout, done.stderr
