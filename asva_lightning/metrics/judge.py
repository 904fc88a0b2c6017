"""Any other judge of clips, plugged in as a measure."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.judging_network import JudgingNetwork, device_here
from asva_lightning.metrics.mean_over_clips import MeanOverClips


class ClipJudge(Protocol):
    """A network, or anything else, that gives every clip of a batch a number."""

    def __call__(self, audio: Tensor, video: Tensor, format: ClipFormat) -> Tensor:
        """Judge a batch.

        Args:
            audio: Mono sound in [-1, 1], ``(b, s)``.
            video: RGB frames ``(b, 3, f, h, w)``, uint8.
            format: Frame rate, size and sample rate. What the judge needs otherwise, it makes from these.

        Returns:
            One value per clip ``(b,)``; nan where it does not apply.
        """


class Judge(MeanOverClips):
    """Mean of a judge's values over clips; those that are nan are left out and counted.

    Args:
        call: The judge; a network is put into eval mode.
        higher_is_better: Which way is better; None where neither is.
        device: Where a network runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`. To anything
            else that judges the clips are moved there, and stay where they are if it is not given.
        **kwargs: What every torchmetrics metric takes.
    """

    def __init__(
        self,
        call: nn.Module | ClipJudge,
        higher_is_better: bool | None,
        device: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # Not as a module of this one: a judge is neither trained, sharded nor saved.
        self._network = JudgingNetwork(call, device) if isinstance(call, nn.Module) else None
        self._function = None if isinstance(call, nn.Module) else call
        self._told = None if device is None else device_here(device)
        self._higher_is_better = higher_is_better

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]  # here it belongs to the instance
        """Which way is better; None where neither is."""
        return self._higher_is_better

    def values(self, audio: Tensor, video: Tensor, format: ClipFormat) -> Tensor:
        """One value per clip ``(b,)``; for the arguments see :class:`ClipJudge`.

        Raises:
            ConfigurationError: If the judge gives anything else.
        """
        call: Any = self._function
        device = self._told if self._told is not None else video.device
        if self._network is not None:
            device = self._network.device_for(video)
            call = self._network.on(device)
        with torch.no_grad():
            values = call(audio.to(device), video.to(device), format)
        if not isinstance(values, Tensor) or values.shape != (len(video),):
            met = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ConfigurationError(
                f"A judge gives one value per clip, (b,): of {len(video)} clips this one gave {met}. "
                "Take the mean of its values of a clip."
            )
        return values.float().to(video.device)

    def update(
        self, audio: Tensor, video: Tensor, format: ClipFormat, classes: Sequence[int] | Tensor | None = None
    ) -> None:
        """Judge a batch and take in its values; for the arguments see :class:`ClipJudge` and :meth:`add`."""
        self.add(self.values(audio, video, format), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing."""
        return float(self.values(clip.waveform[None], clip.pixels[None], format))
