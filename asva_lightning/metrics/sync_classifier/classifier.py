"""SyncClassifier: the network of RelSync, AlignSync and of the curation of clips."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.metrics.sync_classifier.audio import AudioNetwork
from asva_lightning.metrics.sync_classifier.head import PairHead
from asva_lightning.metrics.sync_classifier.video import VideoNetwork

WIDTHS = (64, 128, 256, 512)
"""Channels of the released classifier."""

BLOCKS = 2
"""Residual blocks of each stage of its video network."""


class SyncClassifier(nn.Module):
    """Scores how well a sound and a video fit in time; of two pairings the higher score fits better.

    After Zhang et al., "Audio-Synchronized Visual Animation" (ECCV 2024), under the tensor names of its release; the
    defaults are its sizes. A score means nothing by itself: compare it with that of the same sound and another video.

    Args:
        widths: Channels of the blocks of both networks; the last is the width of the embeddings.
        blocks: Residual blocks of each stage of the video network.
        frame_differences: Whether the video network also sees what changed from frame to frame. The original does
            not; a small network learns sooner with them.
        dropout: Share of hidden values that the last layers drop in training.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        blocks: int = BLOCKS,
        frame_differences: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 2 or blocks < 1:
            raise ConfigurationError(
                f"SyncClassifier needs at least one width, each 2 or more, and blocks >= 1, not widths {list(widths)} "
                f"and blocks {blocks}. The released sizes are {list(WIDTHS)} and {BLOCKS}."
            )
        self.audio_encoder = AudioNetwork(widths)
        self.video_encoder = VideoNetwork(widths, blocks, frame_differences)
        self.head = PairHead(widths[-1], dropout)

    @classmethod
    def from_original(cls, state_dict: Mapping[str, Tensor]) -> "SyncClassifier":
        """Build the network that these tensors belong to; their shapes tell its sizes.

        Args:
            state_dict: Tensors under the names of the release (``audio_encoder.conv1.0.weight`` and so on).

        Returns:
            The classifier in eval mode.

        Raises:
            WeightsError: If a tensor is missing, not expected, or of another shape.
        """
        try:
            classifier = cls(**_sizes(state_dict))
            classifier.load_state_dict(state_dict)
        except KeyError as error:
            raise WeightsError(
                f"Tensor {error} is missing: these are not the weights of a sync classifier. Give the folder "
                "`modules` of its release, or a file of its tensors."
            ) from error
        except (RuntimeError, ConfigurationError) as error:
            raise WeightsError(
                f"These tensors are no whole sync classifier: {error}. Copy or fetch the weights again."
            ) from error
        return classifier.eval()

    def embed_audio(self, audio_mel: Tensor) -> Tensor:
        """Log-mel energies ``(b, 1, 128, 204)``, as ``media.log_mel`` makes them, to ``(b, widths[-1])``."""
        embedding: Tensor = self.audio_encoder(audio_mel)
        return embedding

    def embed_video(self, video: Tensor) -> Tensor:
        """Frames ``(b, 3, f, h, w)``, as :mod:`.picture` prepares them, to ``(b, widths[-1])``."""
        embedding: Tensor = self.video_encoder(video)
        return embedding

    def score(self, audio_embedding: Tensor, video_embedding: Tensor) -> Tensor:
        """Score pairs: embeddings ``(..., widths[-1])`` each to ``(...)``."""
        scores: Tensor = self.head(audio_embedding, video_embedding)
        return scores

    def score_all(self, audio_embedding: Tensor, video_embedding: Tensor) -> Tensor:
        """Score every sound ``(..., n, widths[-1])`` with every video ``(..., m, widths[-1])``: ``(..., n, m)``."""
        return self.head.all_pairs(audio_embedding, video_embedding)

    @property
    def is_of_released_sizes(self) -> bool:
        """Whether it may be the released network; a smaller one was trained by this package."""
        return _sizes(self.state_dict()) == {"widths": list(WIDTHS), "blocks": BLOCKS, "frame_differences": False}

    def forward(self, audio_mel: Tensor, video: Tensor) -> Tensor:
        """Score pairs.

        Args:
            audio_mel: Log-mel energies ``(b, 1, 128, 204)``.
            video: Normalised frames ``(b, 3, f, h, w)``.

        Returns:
            ``(b,)``.
        """
        return self.score(self.embed_audio(audio_mel), self.embed_video(video))


def _sizes(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """The constructor's arguments, by the shapes of the tensors."""
    blocks = _numbers(state_dict, r"video_encoder\.conv2x\.(\d+)\.")
    audio = _numbers(state_dict, r"audio_encoder\.block(\d+)\.")
    widths = [state_dict[f"audio_encoder.block{number}.conv1.weight"].shape[0] for number in range(1, max(audio) + 1)]
    channels = state_dict["video_encoder.conv1.0.weight"].shape[1]
    return {"widths": widths, "blocks": max(blocks) + 1, "frame_differences": channels == 6}


def _numbers(state_dict: Mapping[str, Tensor], pattern: str) -> set[int]:
    found = {int(match[1]) for match in map(re.compile(pattern).match, state_dict) if match}
    if not found:
        raise KeyError(pattern.replace("\\", "").replace("(d+)", "0") + "*")
    return found
