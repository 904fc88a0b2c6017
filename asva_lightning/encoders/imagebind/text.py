"""The text tower of ImageBind, and how texts are made ready for it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from asva_lightning.encoders.imagebind.tower import Parts, Tower
from asva_lightning.encoders.imagebind.transformer import EPSILON, LogitScale, Trunk, UnitNorm

LENGTH = 77
VOCABULARY = 49408
"""CLIP's; the end-of-text token has the highest id, which is how its place is found."""


def tokenize(texts: Sequence[str], tokenizer: Any) -> Tensor:
    """Token ids of texts by CLIP's tokenizer, which ImageBind shares with Stable Diffusion 1.5.

    What stands after the end-of-text token has no effect on the embedding, so the tokenizer's own padding stays. A
    text that is too long is cut before its end-of-text token, where the original would cut that token away.

    Args:
        texts: ``b`` texts.
        tokenizer: A ``CLIPTokenizer`` of transformers, from the folder ``tokenizer`` of Stable Diffusion.

    Returns:
        ``(b, 77)`` int64.
    """
    words = tokenizer(list(texts), padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    ids: Tensor = words.input_ids
    return ids


class TextPreprocessor(nn.Module):
    """Token ids ``(b, 77)`` to 77 tokens, of which each may attend to itself and those before it."""

    shape = (LENGTH,)
    advice = "Make it with asva_lightning.encoders.imagebind.tokenize"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, LENGTH, width))
        self.mask: Tensor
        self.register_buffer("mask", torch.full((LENGTH, LENGTH), -math.inf).triu(1))

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``(b, 77, width)`` and the causal mask ``(77, 77)``."""
        tokens = self.token_embedding(ids) + self.pos_embed
        return tokens, self.mask.to(tokens.dtype)


class TextHead(nn.Module):
    """Embedding of a text: its end-of-text token, normalised and projected."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.LayerNorm(width, eps=EPSILON), nn.Linear(width, embedding, bias=False))

    def forward(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """From tokens ``(b, 77, width)`` and the ids that they were made from to ``(b, embedding)``."""
        end = ids.argmax(dim=-1)
        embedding: Tensor = self.proj(tokens[torch.arange(len(tokens), device=tokens.device), end])
        return embedding


def text_parts(tower: Tower, embedding: int) -> Parts:
    """The modules of the text tower."""
    return Parts(
        TextPreprocessor(tower.width),
        Trunk(tower),
        TextHead(tower.width, embedding),
        nn.Sequential(UnitNorm(), LogitScale()),
    )
