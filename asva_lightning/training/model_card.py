"""The README.md of an exported model."""

from typing import Any

from asva_lightning import __version__
from asva_lightning.encoders.components import audio_weights
from asva_lightning.training.sources import Opened
from asva_lightning.weights import known_weights

USE = """
    from asva_lightning.diffusion import AnimationPipeline

    pipeline = AnimationPipeline.from_pretrained("{name}")
    frames = pipeline("picture.jpg", "sound.wav", text="...").frames[0]

or on the command line:

    python -m asva_lightning animate --checkpoint {name} --image picture.jpg --audio sound.wav --output video.mp4
"""


AUDIO_NAMES = {"imagebind_huge": "ImageBind", "ast": "AST"}
"""How the card calls the weights of audio encoders, by their row of the table."""


def model_card(opened: Opened, name: str, layout: str) -> str:
    """The text of the card: what it is, how it was made, what it stands on, how it scored, how to use it.

    Args:
        opened: The model.
        name: Name of its folder.
        layout: Layout of its folder.
    """
    clip = opened.pipeline.format
    parts = [
        "---\nlibrary_name: diffusers\ntags: [audio-to-video, image-to-video]\n---",
        f"# {name}",
        "Animates one picture with one sound: a video whose motion follows the sound (AVSyncD, ECCV 2024; made with "
        f"asva-lightning {__version__}).",
        _list({**opened.about, "clip": f"{clip.frames} frames, {clip.fps:g} a second, {clip.height}x{clip.width} px"}),
        "## Licences\n\n" + _list(_licences(opened)),
    ]
    table = None if opened.run is None else opened.run.path / "sound_swap" / "table.md"
    if table is not None and table.is_file():
        parts.append(f"## Scores\n\nOf the run when it ended:\n\n{table.read_text(encoding='utf-8').strip()}")
    if layout == "diffusers":
        parts.append("## Use\n" + USE.format(name=name).rstrip())
    return "\n\n".join(parts) + "\n"


def _licences(opened: Opened) -> dict[str, str]:
    """The licences of the weights that this model holds or was trained from."""
    table, pipeline = known_weights(), opened.pipeline
    licences = {"code": "Apache-2.0"}
    if not type(pipeline.vae).__module__.startswith("asva_lightning"):
        weights = table["stable_diffusion"]
        licences["Stable Diffusion's weights"] = f"{weights.licence} ({weights.source})"
    for row in audio_weights(pipeline.audio_encoder):
        weights = table[row]
        licences[f"{AUDIO_NAMES[row]}'s weights"] = f"{weights.licence} ({weights.source})"
    return licences


def _list(facts: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
