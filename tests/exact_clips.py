"""Clips whose sound is stored without loss at 16 kHz and whose frames come at irregular times.

What is read of such a file is the same bit for bit wherever reading begins.
"""

from fractions import Fraction
from pathlib import Path

import av
import torch
from clip_files import RATE, clicking_square, write_layout

TEXTS = {"drum": "a stick hitting a drum", "hammer": "a distant hammer striking an anvil"}
"""Those of the quickstart."""


def write_exact_clip(path: Path, number: int, seconds: float = 3.0, side: int = 32) -> None:
    """A Matroska file: frames every 60 to 107 ms, 16-bit sound."""
    pixels, waveform = clicking_square(number, seconds, height=side, width=side)
    sloped = torch.arange(side, dtype=torch.uint8)[None, None, None, :] * 3
    pixels = pixels // 2 + sloped  # left is not right, so that a flip is seen
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=12)
        video.width = video.height = side
        video.pix_fmt, video.codec_context.time_base = "bgr0", Fraction(1, 1000)
        sound = container.add_stream("pcm_s16le", rate=RATE)
        sound.layout = "mono"
        for place, picture in enumerate(pixels.permute(1, 2, 3, 0).numpy()):
            frame = av.VideoFrame.from_ndarray(picture.copy(), format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = 83 * place + (place * 7 + number) % 24, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = (waveform * 32767).to(torch.int16)[None].numpy()
        piece = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        piece.sample_rate, piece.pts = RATE, 0
        container.mux(sound.encode(piece))
        container.mux(sound.encode(None))


def write_exact_folder(folder: Path) -> None:
    """Two classes of three clips to train and one to test, in AVSync15's layout."""
    write_layout(folder, TEXTS, "clip{0}.mkv", write_exact_clip)
