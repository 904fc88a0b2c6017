"""Files for benchmarks/data.py: mp4 as the web has them, and the same clips as shards of every kind."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from asva_lightning.data import MediaFolder, build
from asva_lightning.data.clips import open_member
from asva_lightning.data.encoded_writer import clip_file, write_encoded_shard
from asva_lightning.data.manifest import Dataset, SampleRecord
from asva_lightning.media import Encoding, probe

FPS, SOUND_RATE = 30, 44_100


def write_originals(folder: Path, clips: int, seconds: float, height: int = 360, width: int = 640) -> None:
    """Write mp4 files with the defaults of x264 (a keyframe every 250 frames) and stereo AAC of 44.1 kHz.

    A textured background pans slowly, textured things move over it, and there is some grain: about as many bits a
    second as YouTube spends on pictures of this size.
    """
    for number in range(clips):
        path = folder / f"class_{number % 3}" / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, np.random.default_rng(number), round(seconds * FPS), height, width)


def _write(path: Path, random: np.random.Generator, frames: int, height: int, width: int) -> None:
    background = _texture(random, height + 64, width + 64)
    things = [_texture(random, height // 4, width // 6) for _ in range(4)]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "23"})
        video.height, video.width, video.pix_fmt = height, width, "yuv420p"
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        audio.bit_rate = 128_000
        for frame in range(frames):
            shift = round(32 + 30 * np.sin(frame / 60))
            picture = background[shift : shift + height, shift : shift + width].copy()
            for turn, thing in enumerate(things):
                top = round((height - len(thing)) * (0.5 + 0.5 * np.sin(frame / (9 + 5 * turn) + turn)))
                left = round((width - thing.shape[1]) * (0.5 + 0.5 * np.cos(frame / (14 + 4 * turn) - turn)))
                picture[top : top + len(thing), left : left + thing.shape[1]] = thing
            grain = random.integers(-2, 3, (height, width, 1))
            shown = av.VideoFrame.from_ndarray((picture + grain).clip(0, 255).astype(np.uint8), format="rgb24")
            shown.pts, shown.time_base = frame, Fraction(1, FPS)
            container.mux(video.encode(shown))
        container.mux(video.encode(None))
        _write_sound(container, audio, random, round(frames / FPS * SOUND_RATE))


def _write_sound(
    container: av.container.OutputContainer, audio: av.AudioStream, random: np.random.Generator, samples: int
) -> None:
    sound = (0.1 * random.standard_normal((2, samples))).astype(np.float32)
    for begin in range(0, samples, 1024):
        block = np.ascontiguousarray(sound[:, begin : begin + 1024])
        heard = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        heard.sample_rate, heard.pts, heard.time_base = SOUND_RATE, begin, Fraction(1, SOUND_RATE)
        container.mux(audio.encode(heard))
    container.mux(audio.encode(None))


def _texture(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth patches at several scales, ``(height, width, 3)``."""
    total = np.zeros((height, width, 3))
    for scale, weight in ((64, 0.5), (16, 0.3), (4, 0.2)):
        coarse = random.integers(0, 255, (height // scale + 2, width // scale + 2, 3), dtype=np.uint8)
        total += weight * np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return total


def samples_of(shards: Path) -> list[SampleRecord]:
    """All samples of shards of one split."""
    return Dataset.open(shards).samples("train")


def build_all(folder: Path, originals: Path) -> dict[str, list[SampleRecord]]:
    """Shards of the files as they are, encoded again at 256 px, and of latents, sample by sample the same clips."""
    source = MediaFolder(str(originals), test_share=0.0)
    kept = samples_of(build(source, folder / "original").output)
    encoding = Encoding(height=256, gop=12, sound_rate=16_000)
    small = samples_of(build(source, folder / "encoded", encoding=encoding).output)
    latents = folder / "latents"
    for sample in kept:
        _write_latents(clip_file(latents, sample.key), sample)
    encoded = write_encoded_shard(folder / "latents.tar", kept, latents)
    return {
        "original": kept,
        "encoded": small,
        "latents": [replace(sample, folder=str(folder)) for sample in encoded],
    }


def _write_latents(path: Path, sample: SampleRecord) -> None:
    """What `shards encode` keeps of a training clip at 256 px with the codec of Stable Diffusion; its values random."""
    info = probe(open_member(sample))
    frames = round(info.picture_seconds * FPS)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "times": torch.arange(frames + 1, dtype=torch.float64) / FPS,
            "latents": torch.randn(2, frames, 2, 4, 32, 32).half(),
            "waveform": torch.randint(-(2**15), 2**15, (round(sample.seconds * 16_000),)).to(torch.int16),
        },
        path,
    )
