"""What the towers of ImageBind share: transformer blocks, and the way from tokens to an embedding of unit norm."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, normalize, scaled_dot_product_attention

from asva_lightning.encoders.imagebind.tower import Tower

EPSILON = 1e-6
"""Of every layer normalisation but the one on the spectrogram's patches, which has PyTorch's."""


class Attention(nn.Module):
    """Self-attention under the tensor names of ``nn.MultiheadAttention``.

    Unlike there, the output projection is called as a module, so that it can be offloaded and moved by itself.

    Args:
        width: Width of a token.
        heads: Attention heads.
        extra_token: Whether every token may also attend to one learned key and value.
    """

    def __init__(self, width: int, heads: int, extra_token: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) / width**0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.bias_k: nn.Parameter | None = None
        self.bias_v: nn.Parameter | None = None
        if extra_token:
            self.bias_k = nn.Parameter(torch.zeros(1, 1, width))
            self.bias_v = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend; ``tokens (b, n, width)``, ``mask (n, n)`` is added to the scores."""
        query, key, value = linear(tokens, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        if self.bias_k is not None and self.bias_v is not None:
            key = torch.cat([key, self.bias_k.expand(len(key), -1, -1)], dim=1)
            value = torch.cat([value, self.bias_v.expand(len(value), -1, -1)], dim=1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        attended = scaled_dot_product_attention(query, key, value, attn_mask=mask)
        result: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return result


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply to every token."""
        result: Tensor = self.fc2(gelu(self.fc1(tokens)))
        return result


class Block(nn.Module):
    """Pre-normalised attention and MLP, each with a residual; no drop path, as ImageBind is never trained here."""

    def __init__(self, tower: Tower, extra_token: bool) -> None:
        super().__init__()
        self.attn = Attention(tower.width, tower.heads, extra_token)
        self.norm_1 = nn.LayerNorm(tower.width, eps=EPSILON)
        self.norm_2 = nn.LayerNorm(tower.width, eps=EPSILON)
        self.mlp = Mlp(tower.width, tower.hidden)

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """From tokens ``(b, n, width)`` to as many."""
        tokens = tokens + self.attn(self.norm_1(tokens), mask)
        return tokens + self.mlp(self.norm_2(tokens))


class Trunk(nn.Module):
    """The transformer of a tower.

    Args:
        tower: Its size.
        extra_token: As for :class:`Attention`.
        normalised_input: Whether the tokens are normalised before the first block.
    """

    def __init__(self, tower: Tower, extra_token: bool = False, normalised_input: bool = False) -> None:
        super().__init__()
        norms = [nn.LayerNorm(tower.width, eps=EPSILON)] if normalised_input else []
        self.pre_transformer_layer = nn.Sequential(*norms)
        self.blocks = nn.ModuleList([Block(tower, extra_token) for _ in range(tower.layers)])

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """From tokens ``(b, n, width)`` to as many."""
        tokens = self.pre_transformer_layer(tokens)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens

    def states(self, tokens: Tensor, mask: Tensor | None, layers: Sequence[int]) -> list[Tensor]:
        """What comes out of these blocks, counted from 1; those after the last of them are not run."""
        tokens, after = self.pre_transformer_layer(tokens), {}
        for number, block in enumerate(self.blocks[: max(layers)], start=1):
            after[number] = tokens = block(tokens, mask)
        return [after[layer] for layer in layers]


class PositionEmbedding(nn.Module):
    """A learned vector for each place, added to the tokens."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """From tokens ``(b, n, width)`` to as many."""
        return tokens + self.pos_embed


class ClassTokenHead(nn.Sequential):
    """Embedding of a sound or picture: the first token, normalised and projected."""

    def __init__(self, width: int, embedding: int) -> None:
        # The identity keeps the place of the original's step that selects the token, and so the names of the tensors.
        super().__init__(nn.LayerNorm(width, eps=EPSILON), nn.Identity(), nn.Linear(width, embedding, bias=False))

    def forward(self, tokens: Tensor, inputs: Tensor) -> Tensor:  # type: ignore[override]  # as all heads are called
        """From tokens ``(b, n, width)`` to ``(b, embedding)``; what the tokens were made from does not matter."""
        embedding: Tensor = super().forward(tokens[:, 0])
        return embedding


class UnitNorm(nn.Module):
    """Divides each embedding by its Euclidean norm."""

    def forward(self, embedding: Tensor) -> Tensor:
        """From ``(b, embedding)`` to the same shape."""
        return normalize(embedding, dim=-1)


class LogitScale(nn.Module):
    """A factor on the embedding, stored as its logarithm and cut at 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log_logit_scale: Tensor
        self.register_buffer("log_logit_scale", torch.zeros(()))

    def forward(self, embedding: Tensor) -> Tensor:
        """From ``(b, embedding)`` to the same shape."""
        return self.log_logit_scale.exp().clamp(max=100.0) * embedding
