"""Asking a sync classifier about clips: it sees and hears what it was trained on, wherever its weights come from."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_scoring, read_released
from asva_lightning.metrics.sync_classifier.picture import SIZE
from asva_lightning.metrics.sync_windows import COLUMNS, ShiftedWindows
from asva_lightning.weights.checkpoint_files import latest_checkpoint, run_of

logger = logging.getLogger(__name__)


class SyncScorer:
    """A sync classifier with what it sees and hears of a clip.

    Args:
        network: The classifier.
        picture: Height and width of what it sees.
        window: What it sees and hears, out of the middle of a clip; all frames and all sound if not given.
        device: Where it runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
    """

    def __init__(
        self,
        network: SyncClassifier,
        picture: int = SIZE,
        window: ShiftedWindows | None = None,
        device: str | None = None,
    ) -> None:
        self._network = JudgingNetwork(network, device)
        self.picture = picture
        self.window = window

    @classmethod
    def read(
        cls,
        weights: str | Path,
        picture: int | None = None,
        frames: int | None = None,
        fps: float | None = None,
        device: str | None = None,
    ) -> "SyncScorer":
        """Read a classifier.

        Args:
            weights: A run folder of ``SyncTask``, for its newest checkpoint; a checkpoint in one; the folder of the
                release; or a file of its tensors.
            picture: Height and width of what it sees; those of the run if it is one, else 224.
            frames: Frames that it sees; those of the run if it is one.
            fps: Frames a second that it sees; those of the run if it is one.
            device: Where it runs.

        Returns:
            The classifier. What is not of a run has a window only if ``frames`` or ``fps`` is given.

        Raises:
            ConfigurationError: If a checkpoint lies outside its run, and what it sees is not given either.
            WeightsError: If the weights are missing or damaged.
        """
        path, trained = _of_run(Path(weights))
        told = [picture, frames, fps]
        if trained is None and path.suffix == ".ckpt" and path.exists() and None in told:
            raise ConfigurationError(
                f"{path} lies outside its run, whose config.yaml says what its classifier sees. Give the run folder, "
                "or picture, frames and fps beside the checkpoint."
            )
        network = read_released(path)
        if trained is None and None in told and not network.is_of_released_sizes:
            names = [name for name, value in zip(("picture", "frames", "fps"), told) if value is None]
            logger.warning(
                "%s is not the released classifier and does not say what it was trained to see. Without %s it sees "
                "what the released one does, and its scores may mean nothing: give them (the README.md of an exported "
                "folder tells them), or give the run folder.",
                path, ", ".join(names),
            )  # fmt: skip
        if trained is None and frames is None and fps is None:
            return cls(network, picture or SIZE, device=device)
        windows = (trained or {}).get("windows") or {}
        window = ShiftedWindows(
            count=1,
            frames=frames or windows.get("frames", ShiftedWindows.frames),
            fps=fps or windows.get("fps", ShiftedWindows.fps),
        )
        return cls(network, picture or (trained or {}).get("picture") or SIZE, window, device)

    @torch.no_grad()
    def score(self, waveform: Tensor, pixels: Tensor, format: ClipFormat) -> Tensor:
        """Score clips.

        Args:
            waveform: Mono sound in [-1, 1], ``(b, samples)``.
            pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
            format: What the clips are. A clip of other frames a second than the window gives for each time the nearest
                frame.

        Returns:
            ``(b,)``, where the pixels are.

        Raises:
            ConfigurationError: If a clip is shorter than the window, or its sound is not of 16 kHz.
        """
        if format.sample_rate != ClipFormat.sample_rate:
            raise ConfigurationError(
                f"The sync classifier hears sound of {ClipFormat.sample_rate} samples a second, not "
                f"{format.sample_rate}. Set --format.sample_rate."
            )
        seen, heard, columns = pixels, waveform, COLUMNS
        if self.window is not None:
            seen = self.window.cut_video(pixels, format)[:, 0]
            heard = self.window.cut_sound(waveform, format)[:, 0]
            columns = self.window.columns
        device = self._network.device_for(pixels)
        mel, video = log_mel(heard.to(device), columns=columns), for_scoring(seen.to(device), self.picture)
        scores: Tensor = self._network.on(device)(mel, video)
        return scores.float().to(pixels.device)


def _of_run(path: Path) -> tuple[Path, Mapping[str, Any] | None]:
    """The weight file, and how the classifier was trained; None where this is no run of ours."""
    folder = run_of(path)
    config = folder / "config.yaml"
    if not config.is_file():
        return path, None
    trained = _model(config)
    if path.suffix != ".ckpt":
        newest = latest_checkpoint(folder / "checkpoints")
        if newest is None:
            raise WeightsError(f"{path} has no checkpoint yet. Run `fit` until it has saved one (--run.save_every).")
        path = newest
    if path.is_dir():
        raise WeightsError(
            f"{path} is a checkpoint of DeepSpeed, spread over files. Write its classifier as a folder: `export {path} "
            "FOLDER --layout original`. Then give FOLDER/modules, with picture, frames and fps as its README.md says."
        )
    logger.info("sync classifier of %s", path)
    return path, trained


def _model(config: Path) -> Mapping[str, Any]:
    """The arguments of the task that a run's configuration describes.

    Raises:
        WeightsError: If it describes none.
    """
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WeightsError(f"{config} is damaged ({error}). Put it back as `fit` wrote it.") from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise WeightsError(f"{config} describes no model, so this is no run. Give a folder that `fit` made.")
    arguments: Mapping[str, Any] = model.get("init_args", model)
    return arguments
