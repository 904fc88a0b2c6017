"""AlignSync: RelSync, of which the more counts the better the frames fit the sound in kind."""

from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.metrics.image_audio import image_audio_similarity
from asva_lightning.metrics.imagebind_embeddings import imagebind
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.relsync import RelSync
from asva_lightning.metrics.sync_classifier import SyncClassifier


def align_sync(rel_sync: Tensor, similarity: Tensor, reference_similarity: Tensor) -> Tensor:
    """RelSync times how well the generated frames keep to what the sound is of.

    ``AlignSync = RelSync x mean over frames t >= 1 of e^s_t / (e^s_t + e^s_0)`` (Zhang et al., "Audio-Synchronized
    Visual Animation", ECCV 2024). Frame 0 is given to the model, so it does not count. A true video has about 0.25.

    Args:
        rel_sync: RelSync of each clip, ``(b,)``.
        similarity: ``s_t``, ImageBind's cosine of each generated frame from the second on and the sound,
            ``(b, f - 1)``.
        reference_similarity: ``s_0``, that of the first frame of the true video and the sound, ``(b,)``.

    Returns:
        One value per clip ``(b,)`` in 0..1; papers report it x 100.
    """
    return rel_sync * (similarity - reference_similarity[:, None]).sigmoid().mean(dim=1)


class AlignSync(RelSync):
    """Mean of :func:`align_sync` over clips, x 100; the truth itself has about 25.

    Args:
        classifier: As for :class:`~asva_lightning.metrics.relsync.RelSync`.
        network: ImageBind with its audio and vision towers, or the official ``imagebind_huge.pth``.
        device: As for :class:`RelSync`.
        **kwargs: ``picture``, ``frames`` and ``fps`` as for :class:`RelSync`, and what every torchmetrics metric takes.

    Raises:
        ConfigurationError: As for :class:`RelSync`.
        WeightsError: If the weights are missing or damaged.
    """

    def __init__(
        self,
        classifier: SyncClassifier | str | Path,
        network: ImageBind | str | Path,
        device: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(classifier, device=device, **kwargs)
        self._network = JudgingNetwork(imagebind(network, ("audio", "vision")), device)

    def values(
        self, pixels: Tensor, reference: Tensor, waveform: Tensor, sample_rate: int, fps: float | None = None
    ) -> Tensor:
        """One value per clip ``(b,)`` in 0..100; for the arguments see :meth:`RelSync.values`."""
        relative = super().values(pixels, reference, waveform, sample_rate, fps)
        device = self._network.device_for(pixels)
        network = self._network.on(device)
        heard = self.heard(waveform, sample_rate).to(device)
        made = image_audio_similarity(network, pixels[:, :, 1:].to(device), heard, sample_rate)
        first = image_audio_similarity(network, reference[:, :, :1].to(device), waveform.to(device), sample_rate)
        return align_sync(relative, made.to(pixels.device), first[:, 0].to(pixels.device))
