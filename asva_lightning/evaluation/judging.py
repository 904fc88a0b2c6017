"""Judging one generated clip: reading it strictly, reading its truth, and asking every measure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from safetensors.torch import load_file, save_file
from torch import Tensor

from asva_lightning.diffusion.finite import NOT_FINITE
from asva_lightning.errors import ConfigurationError, MediaError
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.pairing import Pairing
from asva_lightning.evaluation.results import finite_or_nan
from asva_lightning.files import replace
from asva_lightning.media import Clip, ClipFormat, MediaInfo, is_silent, probe, read_clip, read_frames
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.legacy import ScrambledSound
from asva_lightning.metrics.set_measure import require_finite

SoundOf = Literal["generated", "reference", "scrambled"]

RATE_TOLERANCE = 0.01
"""Share by which a file's frame rate may differ from the format's: containers round it."""

BLOCK = 0.1
"""Seconds of sound that may be missing at either end: codecs store it in blocks of up to 0.064 s at 16 kHz."""

LONGEST_NAME = 100
"""Characters of a clip's key in the name of a file; a hash takes the place of the others, as names end at 255."""

TOLD = ("guidance", "seed", "steps", "scheduler", "step", "weights", "checkpoint", "number", "finite")
"""What is kept of the JSON file beside a clip that this package made."""


@dataclass(frozen=True)
class PairJudge:
    """Reads and judges one clip; a value that other processes can call.

    Args:
        format: What a clip is.
        panel: The measures.
        sound: Whose sound is judged: that of the generated file, that of the true clip, or the latter as the original
            read it (see :class:`~asva_lightning.metrics.legacy.ScrambledSound`).
        clips_per_reference: How many clips are spread over each true one.
        features: Folder for the features of measures of sets; None where there are no such measures.

    Raises:
        ConfigurationError: If a measure needs the sound of the true clip, and that of the generated file is judged.
    """

    format: ClipFormat
    panel: PanelDescription
    sound: SoundOf = "generated"
    clips_per_reference: int = 3
    features: str | None = None

    def __post_init__(self) -> None:
        coded = self.panel.build().needing_true_sound if self.sound == "generated" else []
        if coded:
            raise ConfigurationError(
                f"{', '.join(coded)} codes the sound of the true clip as the original's files hold it, but with "
                "--sound generated the sound comes out of a file already. Set --sound scrambled, which is what the "
                "original heard, or --sound reference."
            )

    @property
    def legacy(self) -> dict[str, str]:
        """What is done as the original's evaluation did by mistake, by measure or option; a report prints it."""
        sound = {"--sound scrambled": ScrambledSound.legacy} if self.sound == "scrambled" else {}
        return sound | self.panel.build().legacy()

    def __call__(self, pair: Pairing) -> dict[str, Any]:
        """Judge a clip.

        Args:
            pair: The generated file and its truth.

        Returns:
            What JSON can hold: ``values`` by measure, ``text``, ``video``, and ``made``, what is known of its making.

        Raises:
            AsvaError: If the file is no such clip, the truth cannot be read, or a value is no number; the clip is then
                to be excluded.
        """
        made = made_with(Path(pair.path))
        if made.pop("finite", True) is False:
            raise MediaError(pair.path, f"{NOT_FINITE}. Take an earlier checkpoint, or sample in float32.")
        start = pair.place(self.format.seconds, self.clips_per_reference)
        truth = read_clip(pair.reference.open(), self.format, start)
        pixels, waveform = self._read(pair, truth, start)
        clip = EvaluatedClip(pair.key, pixels, waveform, pair.reference.text, truth.pixels)
        panel = self.panel.build()
        judged = {name: measure.measure(clip, self.format) for name, measure in panel.of_clips.items()}
        # The PSNR of equal frames is infinite, which has no mean: left out and counted, as what does not apply.
        values = {name: finite_or_nan(value) for name, value in judged.items()}
        if self.features is not None:
            features = {
                f"{name} {of}": measure.features(frames, self.format).contiguous()
                for name, measure in panel.of_sets.items()
                for of, frames in (("generated", pixels), ("reference", truth.pixels))
            }
            for name, found in features.items():
                require_finite(found, f"clip {pair.key!r} ({name})")
            with replace(features_file(self.features, pair.key)) as file:
                save_file(features, file)
        return {
            "values": values,
            "text": pair.reference.text or pair.reference.category,
            "video": pair.reference.key,
            "made": made,
        }

    def _read(self, pair: Pairing, truth: Clip, start: float) -> tuple[Tensor, Tensor]:
        """Frames and sound that are judged."""
        check_generated(pair.path, self.format, needs_sound=self.sound == "generated")
        if self.sound != "generated":
            waveform = truth.waveform
            if self.sound == "scrambled":
                waveform = ScrambledSound()(pair.reference.open(), start, self.format.seconds, self.format.sample_rate)
            return read_frames(pair.path, self.format.times, self.format.height, self.format.width), waveform
        clip = read_clip(pair.path, self.format)
        if is_silent(clip.waveform) and not is_silent(truth.waveform):
            raise MediaError(
                pair.path,
                "is silent, but its true clip is not. Was the sound lost? Judge the true sound with --sound reference.",
            )
        return clip.pixels, clip.waveform


def check_generated(path: str, format: ClipFormat, needs_sound: bool = True) -> None:
    """Refuse a file that is not exactly one clip of the format; a cut or scaled one would have other numbers.

    Pictures that are larger by a whole number are taken: small ones are written so.

    Args:
        path: The file.
        format: What a clip is.
        needs_sound: Whether it must have sound.

    Raises:
        MediaError: If the file cannot be read, or has another length, rate or size, or no sound.
    """
    info = probe(path)
    if not info.has_picture:
        raise MediaError(path, "has no picture. Give a file with a video track.")
    frames = round(info.fps * info.picture_seconds)
    times = info.height // format.height
    reason = ""
    if frames != format.frames:
        reason = f"has {frames} frames, not {format.frames}. Set --format.frames, or cut the clips alike"
    elif abs(info.fps - format.fps) > RATE_TOLERANCE * format.fps:
        reason = f"has {info.fps:.3g} frames a second, not {format.fps:g}. Set --format.fps"
    elif times < 1 or (info.height, info.width) != (times * format.height, times * format.width):
        stretched = (
            f"says that its pixels are {info.pixel_aspect:.3g} times as wide as high (write it with square ones, in "
            "ffmpeg by setsar=1): it "
        )
        reason = (stretched if info.pixel_aspect != 1 else "") + (
            f"is {info.width} x {info.height} pixels, not {format.width} x {format.height} or a whole multiple. Set "
            "--format.width and --format.height to what the model makes; the JSON files beside clips of this package "
            "tell, as small pictures are enlarged"
        )
    elif needs_sound and not info.has_sound:
        reason = "has no sound. Write the sound into the file, or judge the true sound with --sound reference"
    elif needs_sound and not _covered(info, format):
        end = info.sound_start + info.sound_seconds
        reason = (
            f"has sound from {info.sound_start:.2f} s to {end:.2f} s, not from 0 to {format.seconds:g} s. Write the "
            "whole sound, or judge the true sound with --sound reference"
        )
    if reason:
        raise MediaError(path, f"{reason}.")


def _covered(info: MediaInfo, format: ClipFormat) -> bool:
    """Whether there is sound throughout, but for what the blocks of a codec take off."""
    return info.sound_start <= BLOCK and info.sound_start + info.sound_seconds >= format.seconds - BLOCK


def features_file(folder: str | Path, key: str) -> Path:
    """Where the features of a clip are kept."""
    name = quote(key, safe="")
    if len(name) > LONGEST_NAME:  # three characters for each byte of a letter that is not ASCII
        name = f"{name[:LONGEST_NAME]}-{hashlib.sha256(key.encode()).hexdigest()}"
    return Path(folder) / f"{name}.safetensors"


def read_features(folder: str | Path, key: str) -> Mapping[str, Tensor]:
    """Features of a clip: ``<measure> generated`` and ``<measure> reference``, each ``(n, d)``.

    Raises:
        ConfigurationError: If they are gone although the journal knows the clip.
    """
    path = features_file(folder, key)
    if not path.is_file():
        raise ConfigurationError(f"{path} is gone. Delete the journal beside it and start again.")
    return load_file(path)


def made_with(path: Path) -> dict[str, Any]:
    """What the JSON file beside a clip says of how it was made; nothing where there is none of ours."""
    try:
        text = path.with_suffix(".json").read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=str)  # results hold no nan
    except (OSError, ValueError):
        return {}
    return {name: content[name] for name in TOLD if name in content} if isinstance(content, dict) else {}
