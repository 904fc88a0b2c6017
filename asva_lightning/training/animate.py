"""The command ``animate``: one picture and one sound in, a video out."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from asva_lightning.diffusion import Pair, enlargement, generate
from asva_lightning.errors import ConfigurationError, RunError
from asva_lightning.media import ClipFormat, read_picture, read_sound, write_clip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.restore import open_task


def animate(
    checkpoint: str,
    audio: str,
    output: str = "animation.mp4",
    image: str | None = None,
    text: str | None = None,
    start: float = 0.0,
    guidance: float | None = None,
    seed: int = 0,
) -> None:
    """Animate a picture with a sound, by the averaged weights of a run.

    Args:
        checkpoint: A run folder.
        audio: A file with sound. A sound that is shorter than a clip is followed by silence.
        output: The mp4 to write.
        image: A picture; it is cropped to the clip's shape. The first picture of the run's samples if not given.
        text: Class text; that of the run's picture, or none, if not given.
        start: Where in the sound to begin, in seconds.
        guidance: How strongly to follow the sound; as the run samples if not given.
        seed: Seed of the noise.

    Raises:
        RunError: If the folder is no run, or no picture is given and it has none.
        MediaError: If picture or sound cannot be read.
    """
    if Path(output).suffix.lower() != ".mp4":
        raise ConfigurationError(f"--output {output} must end in .mp4, the kind of file that is written.")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = open_task(checkpoint).to(device)
    pipeline, format = task.pipeline, task.format
    if guidance is not None:
        scales = replace(pipeline.sampling.guidance, audio=guidance)
        pipeline = replace(pipeline, sampling=replace(pipeline.sampling, guidance=scales))
    waveform = read_sound(audio, format.sample_rate, start, format.seconds)
    if image is None:
        picture, known = picture_of_run(RunFolder(Path(checkpoint)), format, text)
        text = known if text is None else text
    else:
        picture = read_picture(image, format.height, format.width)
    pair = Pair(Path(output).stem, picture, fit(waveform, format.samples), text or "")
    animation = generate(pipeline, [pair], seed=seed, device=device)[0]
    large = enlargement(format.height, format.width)
    write_clip(output, animation.pixels, format.fps, pair.waveform, format.sample_rate, enlarge=large)
    sys.stdout.write(f"{output}: {format.seconds:g} s at {format.fps:g} frames a second, text {text or 'none'!r}\n")


def picture_of_run(run: RunFolder, format: ClipFormat, text: str | None) -> tuple[Tensor, str]:
    """The first picture among the run's samples, of the given class text if there is one, and its text.

    Raises:
        RunError: If there is none.
    """
    for file in sorted(run.samples.glob("step_*/*.json"), reverse=True):
        facts = json.loads(file.read_text(encoding="utf-8"))
        if "picture" in facts and text in (None, facts["text"]):
            return read_picture(file.parent / facts["picture"], format.height, format.width), facts["text"]
    which = "no samples" if text is None else f"no sample with the text {text!r}"
    raise RunError(f"{run.path} has {which} to take a picture from. Give one with --image.")


def fit(waveform: Tensor, samples: int) -> Tensor:
    """Cut a sound, or follow it by silence, to a number of samples."""
    return torch.nn.functional.pad(waveform[:samples], (0, max(0, samples - len(waveform))))
