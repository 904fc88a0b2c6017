"""FVD: how far generated clips are from true ones, as a network for actions sees them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.frechet import frechet_distance
from asva_lightning.metrics.i3d import I3D
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.resize import squash
from asva_lightning.metrics.set_metric import SetMetric

SIDE = 224


@torch.no_grad()
def video_features(network: nn.Module, pixels: Tensor) -> Tensor:
    """Features of whole clips, with the first frame.

    Frames are resized straight to a square (see :func:`~asva_lightning.metrics.resize.squash`), which squashes those
    of another shape.

    Args:
        network: Clips ``(b, 3, f, 224, 224)`` in [-1, 1] to features ``(b, d)``.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.

    Returns:
        ``(b, d)``.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` of uint8.
    """
    features: Tensor = network(squash(pixels, SIDE)).float()
    return features


def fvd(generated: Tensor, reference: Tensor) -> float:
    """Frechet video distance of two sets of clips.

    :func:`~asva_lightning.metrics.frechet.frechet_distance` of features that I3D makes of clips; Unterthiner et al.,
    "Towards Accurate Generative Models of Video", 2018.

    Args:
        generated: Features of generated clips, ``(N, d)``, N >= 2; see :func:`video_features`.
        reference: Features of true clips, ``(M, d)``, M >= 2.

    Returns:
        The distance, 0 or more.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    return frechet_distance(generated, reference)


class FVD(SetMetric):
    """:func:`fvd` over all ranks and per class.

    It does not hear the sound, and depends on frames, frame rate and size.

    Args:
        network: The file of I3D, a TorchScript program that you trust (see :class:`~asva_lightning.metrics.i3d.I3D`),
            or any network that takes clips ``(b, 3, f, 224, 224)`` in [-1, 1] to features ``(b, d)``.
        device: Where the network runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the file is missing or damaged.
    """

    def __init__(self, network: nn.Module | str | Path, device: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        loaded = network if isinstance(network, nn.Module) else I3D(network)
        self._network = JudgingNetwork(loaded, device)

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        """Look at one clip ``(3, f, h, w)`` uint8: one row, ``(1, d)``."""
        device = self._network.device_for(pixels)
        return video_features(self._network.on(device), pixels[None].to(device)).to(pixels.device)

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare features ``(N, d)`` and ``(M, d)``; see :func:`fvd`."""
        return fvd(generated, reference)
