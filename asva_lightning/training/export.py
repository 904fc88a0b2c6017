"""The command ``export``: from any checkpoint to a folder in the layout of diffusers or of the original."""

import shutil
import sys
from pathlib import Path
from typing import Literal

from asva_lightning.denoiser import save_original
from asva_lightning.diffusion import AnimationPipeline
from asva_lightning.encoders import ImageBind
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import write_text
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.export_classifier import export_classifier
from asva_lightning.training.model_card import model_card
from asva_lightning.training.restore import trains_a_classifier
from asva_lightning.training.sources import STABLE_DIFFUSION, Opened, open_pipeline


def export(
    source: str,
    dest: str,
    layout: Literal["diffusers", "original"] = "diffusers",
    weights: Which = "ema",
    stable_diffusion: str = STABLE_DIFFUSION,
) -> None:
    """Write a model as a folder, with a model card.

    Args:
        source: A run folder or a checkpoint in one (ZeRO folders included), an exported folder or the Hub id of one,
            or a checkpoint folder of the original. A run of the sync classifier has the layout ``original`` alone, and
            the weights of its last step.
        dest: The folder to make.
        layout: ``diffusers`` is the whole pipeline, for AnimationPipeline.from_pretrained; ``original`` holds
            ``modules/unet`` and ``modules/audio_encoder`` under the names of the published checkpoints. Both are of
            safetensors, but for the sync classifier, whose release has ``.bin`` files of tensors.
        weights: For runs, the averaged weights (``ema``) or those of the last step (``raw``).
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Raises:
        ConfigurationError: If the folder exists, or the model does not fit the layout.
        RunError: If the source is nothing that can be opened.
        WeightsError: If weights are missing, damaged, or do not fit.
    """
    target = Path(dest)
    if target.exists():
        raise ConfigurationError(f"{dest} exists. Delete it or choose another name; nothing was changed.")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        if trains_a_classifier(source):
            origin = export_classifier(source, partial, target.name, layout)
        else:
            opened = open_pipeline(source, weights, stable_diffusion)
            _write(opened, partial, target.name, layout)
            origin = ", ".join(f"{name} {value}" for name, value in opened.about.items())
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    sys.stdout.write(f"{dest}: {layout} layout, {size:.0f} MB, from {origin}\n")


def _write(opened: Opened, folder: Path, name: str, layout: str) -> None:
    if layout == "original":
        _save_original(opened.pipeline, folder / "modules")
    else:
        opened.pipeline.save_pretrained(folder)
    write_text(folder / "README.md", model_card(opened, name, layout))


def _save_original(pipeline: AnimationPipeline, folder: Path) -> None:
    encoder = pipeline.audio_encoder
    if not isinstance(encoder, ImageBind):
        raise ConfigurationError(
            f"The original's layout knows ImageBind only, but this model hears through {type(encoder).__name__}. "
            "Use --layout diffusers."
        )
    save_original(pipeline.unet, folder / "unet")
    encoder.save_audio_encoder_folder(folder / "audio_encoder")
