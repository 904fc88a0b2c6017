"""A trained sync classifier as a measure that can be put to the shift test."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.sync_classifier import SyncClassifier, for_scoring, read_released
from asva_lightning.metrics.sync_classifier.picture import SIZE
from asva_lightning.metrics.sync_windows import ShiftedWindows

logger = logging.getLogger(__name__)

COLUMNS = 204
"""Columns of 10 ms of the log-mel picture of a window of 2 s, in the release; longer windows have more."""

COLUMNS_PER_SECOND = 100


class SyncClassifierScore:
    """The score of a sync classifier for the sound and the frames of the middle of a clip.

    It has no unit and no zero: compare it with that of other sound for the same frames, as the shift test does. RelSync
    compares it with that of the true video, and so says nothing in that test, whose video is the true one. A clip of
    other frames a second gives for each time the nearest frame.

    Args:
        weights: A run folder of ``SyncTask``, for its newest checkpoint; a checkpoint; the folder of the release; or a
            file of its tensors.
        picture: Height and width of what the classifier sees; those of the run if it is one, else 224.
        frames: Frames that it sees; those of the run if it is one, else 12.
        fps: Frames a second that it sees; those of the run if it is one, else 6.
        device: Where it runs; a GPU where there is one, if not given.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """

    higher_is_better = True

    def __init__(
        self,
        weights: str,
        picture: int | None = None,
        frames: int | None = None,
        fps: float | None = None,
        device: str | None = None,
    ) -> None:
        path, trained = _of_run(Path(weights))
        windows = trained.get("windows") or {}
        self.picture: int = picture or trained.get("picture") or SIZE
        self.window = ShiftedWindows(
            count=1,
            frames=frames or windows.get("frames", ShiftedWindows.frames),
            fps=fps or windows.get("fps", ShiftedWindows.fps),
        )
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._network: Frozen[SyncClassifier] = Frozen(read_released(path))

    @torch.no_grad()
    def score(self, pixels: Tensor, waveform: Tensor, format: ClipFormat) -> Tensor:
        """Score clips.

        Args:
            pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
            waveform: Mono sound in [-1, 1], ``(b, samples)``.
            format: What the clips are.

        Returns:
            ``(b,)``, on the CPU.

        Raises:
            ConfigurationError: If a clip is shorter than what the classifier sees, or its sound is not of 16 kHz.
        """
        if format.sample_rate != ClipFormat.sample_rate:
            raise ConfigurationError(
                f"The sync classifier hears sound of {ClipFormat.sample_rate} samples a second, not "
                f"{format.sample_rate}. Set --format.sample_rate."
            )
        network = self._network.on(self._device)
        video = self.window.cut_video(for_scoring(pixels, self.picture), format)[:, 0]
        sound = self.window.cut_sound(waveform, format)[:, 0]
        mel = log_mel(sound, columns=max(COLUMNS, int(COLUMNS_PER_SECOND * self.window.seconds)))
        scores: Tensor = network(mel.to(self._device), video.to(self._device))
        return scores.float().cpu()

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing.

        Args:
            clip: The clip.
            format: What it is.

        Returns:
            The classifier's score.
        """
        return float(self.score(clip.pixels[None], clip.waveform[None], format))


def _of_run(path: Path) -> tuple[Path, Mapping[str, Any]]:
    """The weight file, and how the classifier was trained; nothing where this is no run of ours."""
    folder = path.parent.parent if path.suffix == ".ckpt" else path
    config = folder / "config.yaml"
    if not config.is_file():
        return path, {}
    model = yaml.safe_load(config.read_text(encoding="utf-8")).get("model") or {}
    trained = model.get("init_args", model)
    if path.suffix != ".ckpt":
        steps = {int(file.stem.removeprefix("step_")): file for file in folder.glob("checkpoints/step_*.ckpt")}
        if not steps:
            raise WeightsError(f"{path} has no checkpoint yet. Run `fit` until it has saved one (--run.save_every).")
        path = steps[max(steps)]
    if path.is_dir():
        raise WeightsError(f"{path} is a sharded checkpoint. Write its classifier into one file first.")
    logger.info("sync classifier of %s", path)
    return path, trained
