"""Whatever can animate, opened as one pipeline: our runs and checkpoints, exported folders, the original's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asva_lightning.denoiser import AVSyncUNet
from asva_lightning.diffusion import AnimationPipeline, Objective, Sampling
from asva_lightning.encoders import AutoencoderCodec, ClipText, Conditioner, ImageBind, ImageBindAudio
from asva_lightning.errors import RunError, WeightsError
from asva_lightning.media import ClipFormat
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.checkpoints import Which
from asva_lightning.training.restore import is_run, open_run_for_use
from asva_lightning.weights import find_folder

STABLE_DIFFUSION = "stable-diffusion-v1-5/stable-diffusion-v1-5"


@dataclass(frozen=True)
class Opened:
    """A pipeline and what is known about it.

    Args:
        pipeline: The pipeline, on the CPU, in eval mode.
        about: What it was made of, for the model card: ``recipe``, ``data``, ``step``, where known.
        run: The run folder it came from, if it came from one.
    """

    pipeline: AnimationPipeline
    about: dict[str, Any]
    run: RunFolder | None = None


def open_pipeline(source: str, which: Which = "ema", stable_diffusion: str = STABLE_DIFFUSION) -> Opened:
    """Open whatever can animate.

    Args:
        source: A run folder or a checkpoint in one (single files and ZeRO folders); a folder in diffusers layout that
            ``export`` wrote, or the Hub id of one; a checkpoint folder of the original (``modules/unet``,
            ``modules/audio_encoder``).
        which: For runs, the averaged weights or the raw ones.
        stable_diffusion: Folder or Hub id of Stable Diffusion 1.5, which the original's checkpoints stand on.

    Raises:
        RunError: If a local folder is none of these, or does not exist.
        WeightsError: If weights are missing, damaged, or do not fit.
    """
    path = Path(source)
    if is_run(path):
        opened = open_run_for_use(path, which)
        return Opened(opened.task.pipeline, _about_run(opened.config, opened.step, which), opened.folder)
    if (path / "modules" / "unet").is_dir():
        return Opened(_original(path / "modules", stable_diffusion), {"checkpoint": f"the original's {path.name}"})
    if path.exists() and not (path / "model_index.json").is_file():
        raise RunError(
            f"{source} cannot be opened: it is no run (no config.yaml), no exported folder (no model_index.json) and "
            "no checkpoint of the original (no modules/unet)."
        )
    if (
        not path.exists() and path.parent != Path() and path.parent.is_dir()
    ):  # a name of the Hub has no such folder here
        known = sorted(str(folder) for folder in path.parent.iterdir() if is_run(folder))
        there = f" Runs there: {', '.join(known)}." if known else ""
        raise RunError(
            f"{source} does not exist.{there} Give a run folder, a checkpoint in one, or an exported folder."
        )
    return Opened(AnimationPipeline.from_pretrained(source), {"exported from": source})


def _about_run(config: dict[str, Any], step: int, which: Which) -> dict[str, Any]:
    weights = "the average of the trained weights (EMA)" if which == "ema" else "those of the last step"
    return {
        "recipe": config.get("run", {}).get("name", "unknown"),
        "data": config.get("data", {}).get("shards", "unknown"),
        "optimizer steps": step,
        "weights": weights,
    }


def _original(modules: Path, stable_diffusion: str) -> AnimationPipeline:
    if not (modules / "audio_encoder").is_dir():
        raise WeightsError(f"{modules / 'audio_encoder'} is missing. Download the whole checkpoint of the original.")
    base = str(find_folder(stable_diffusion, "stable_diffusion", ("vae", "text_encoder", "tokenizer")))
    audio = ImageBindAudio.of(ImageBind.from_audio_encoder_folder(modules / "audio_encoder"))
    return AnimationPipeline.of(
        AVSyncUNet.from_original_folder(modules / "unet").eval(),
        Conditioner(AutoencoderCodec(base), audio, ClipText(base)),
        Objective(),
        Sampling(),
        ClipFormat(),
    )
