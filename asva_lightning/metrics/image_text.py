"""IT: do the frames show what the text says?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.encoders.imagebind import ImageBind
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.metrics.image_audio import mean_of_made_frames
from asva_lightning.metrics.imagebind_embeddings import frame_embeddings, imagebind, text_embeddings
from asva_lightning.metrics.judging_network import JudgingNetwork
from asva_lightning.metrics.mean_over_clips import MeanOverClips
from asva_lightning.weights import find_folder


def image_text_similarity(network: ImageBind, pixels: Tensor, texts: Sequence[str], tokenizer: Any) -> Tensor:
    """ImageBind's cosine of each frame and the clip's text.

    Args:
        network: ImageBind with its vision and text towers.
        pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
        texts: ``b`` texts.
        tokenizer: A ``CLIPTokenizer`` of transformers.

    Returns:
        ``(b, f)`` in -1..1. IT is the mean from the second frame on, x 100.

    Raises:
        ConfigurationError: If the pixels are no clips of uint8.
        WeightsError: If a tower is not loaded.
    """
    frames, words = frame_embeddings(network, pixels), text_embeddings(network, texts, tokenizer)
    return (frames * words[:, None]).sum(dim=-1)


class ImageTextSimilarity(MeanOverClips):
    """IT: mean of :func:`image_text_similarity` over the frames from the second on and over clips, x 100.

    The text is the class text, as it stands. After Zhang et al., "Audio-Synchronized Visual Animation" (ECCV 2024).

    Args:
        network: ImageBind with its vision and text towers, or the official ``imagebind_huge.pth``.
        tokenizer: A ``CLIPTokenizer``, or the folder or Hub id of Stable Diffusion 1.5, in which it is.
        device: Where the network runs; see :class:`~asva_lightning.metrics.judging_network.JudgingNetwork`.
        **kwargs: What every torchmetrics metric takes.

    Raises:
        WeightsError: If the weights or the tokenizer are missing or damaged.
    """

    higher_is_better = True
    plot_lower_bound = -100.0
    plot_upper_bound = 100.0

    def __init__(
        self, network: ImageBind | str | Path, tokenizer: Any, device: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(tokenizer, str | Path):
            from transformers import CLIPTokenizer

            found = find_folder(str(tokenizer), "stable_diffusion", ("tokenizer",))
            tokenizer = CLIPTokenizer.from_pretrained(found, subfolder="tokenizer")
        self._network = JudgingNetwork(imagebind(network, ("vision", "text")), device)
        self._tokenizer = tokenizer

    def values(self, pixels: Tensor, texts: Sequence[str]) -> Tensor:
        """One IT per clip ``(b,)``; for the arguments see :func:`image_text_similarity`."""
        device = self._network.device_for(pixels)
        cosines = image_text_similarity(self._network.on(device), pixels.to(device), texts, self._tokenizer)
        return mean_of_made_frames(cosines).to(pixels.device)

    def update(self, pixels: Tensor, texts: Sequence[str], classes: Sequence[int] | Tensor | None = None) -> None:
        """Judge a batch and take in its values; for the arguments see :func:`image_text_similarity` and :meth:`add`."""
        self.add(self.values(pixels, texts), classes)

    def measure(self, clip: EvaluatedClip, format: ClipFormat) -> float:
        """Judge one clip and keep nothing; the format is not used."""
        return float(self.values(clip.pixels[None], [clip.text]))
