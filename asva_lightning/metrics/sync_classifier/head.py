"""The classifier's judgement: two vectors to one score."""

import torch
from torch import Tensor, nn


class PairHead(nn.Module):
    """A perceptron over the embeddings of a sound and of a video, put together.

    Args:
        width: Width of each of the two embeddings; the layers have that width, half of it, and one.
        dropout: Share of hidden values that are dropped in training.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(width, width // 2),
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(width // 2, 1),
        )

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """Score pairs: embeddings ``(..., width)`` each to ``(...)``."""
        scores: Tensor = self.fc(torch.cat([audio, video], dim=-1))
        return scores.squeeze(-1)

    def all_pairs(self, audio: Tensor, video: Tensor) -> Tensor:
        """Score every sound with every video.

        The first layer is linear, so its two halves are applied to n sounds and m videos, not to n x m pairs.

        Args:
            audio: ``(..., n, width)``.
            video: ``(..., m, width)``.

        Returns:
            ``(..., n, m)``; a row belongs to a sound, a column to a video.
        """
        first = self.fc[0]
        assert isinstance(first, nn.Linear)
        of_audio, of_video = first.weight.chunk(2, dim=1)
        heard = nn.functional.linear(audio, of_audio, first.bias)
        seen = nn.functional.linear(video, of_video)
        scores: Tensor = self.fc[1:](heard.unsqueeze(-2) + seen.unsqueeze(-3))
        return scores.squeeze(-1)
