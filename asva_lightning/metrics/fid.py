"""FID: how far generated frames are from true ones, as a network for pictures sees them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.frechet import frechet_distance
from asva_lightning.metrics.inception import InceptionV3
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.resize import require_pixels, squash
from asva_lightning.metrics.set_metric import SetMetric

SIDE = 299


@torch.no_grad()
def picture_features(network: nn.Module, pixels: Tensor, side: int = SIDE) -> Tensor:
    """Features of the frames that a model made: all but the first, which it was given.

    Frames are resized straight to a square (see :func:`~asva_lightning.metrics.resize.squash`).

    Args:
        network: Pictures ``(n, 3, side, side)`` in [-1, 1] to features ``(n, d)``.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8, f >= 2.
        side: Height and width of what the network sees.

    Returns:
        ``(b, f - 1, d)``.

    Raises:
        ConfigurationError: If pixels is not ``(b, 3, f, h, w)`` of uint8 with at least two frames.
    """
    require_pixels(pixels)
    if pixels.shape[2] < 2:
        raise ConfigurationError("The first frame is given to the model and does not count: give clips of two or more.")
    clips = []
    for clip in pixels.split(1):  # one at a time: the frames of a batch in float would not fit
        pictures = squash(clip[:, :, 1:], side)[0].transpose(0, 1)
        clips.append(network(pictures).float())
    return torch.stack(clips)


def fid(generated: Tensor, reference: Tensor) -> float:
    """Frechet Inception distance of two sets of frames.

    :func:`~asva_lightning.metrics.frechet.frechet_distance` of features that Inception-v3 makes of frames; Heusel et
    al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017.

    Args:
        generated: Features of generated frames, ``(N, d)``, N >= 2; see :func:`picture_features`.
        reference: Features of true frames, ``(M, d)``, M >= 2.

    Returns:
        The distance, 0 or more.

    Raises:
        ConfigurationError: If a set has fewer than two rows, or the widths differ.
        WeightsError: If a feature is NaN or infinite.
    """
    return frechet_distance(generated, reference)


class FID(SetMetric):
    """:func:`fid` of the frames from the second on, over all ranks and per class.

    It knows nothing of motion: shuffled frames have the same FID.

    torchmetrics' own class gives the same number of the same network. It keeps sums alone, of which neither a class nor
    a draw of a bootstrap can be taken apart, and its way to the trace is as large as the features are wide: for 330
    frames it takes sixty times as long.

    Args:
        network: The weights of Inception-v3 (see :meth:`InceptionV3.from_file`), or any network that takes pictures
            ``(n, 3, 299, 299)`` in [-1, 1] to features ``(n, d)``.
        device: Where the network runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the weights are missing or damaged.
    """

    side = SIDE

    def __init__(self, network: nn.Module | str | Path, device: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        loaded = network if isinstance(network, nn.Module) else InceptionV3.from_file(network)
        self._network = JudgingNetwork(loaded, device)

    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        """Look at one clip ``(3, f, h, w)`` uint8: one row for each frame but the first, ``(f - 1, d)``."""
        device = self._network.device_for(pixels)
        features = picture_features(self._network.on(device), pixels[None].to(device), self.side)
        return features[0].to(pixels.device)

    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare features ``(N, d)`` and ``(M, d)``; see :func:`fid`."""
        return fid(generated, reference)
