"""Multi-head attention under Stable Diffusion's parameter names."""

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class KeysValues(NamedTuple):
    """Keys and values of one attention layer, ``(b, heads, tokens, channels / heads)`` each."""

    keys: Tensor
    values: Tensor


class Attention(nn.Module):
    """Queries from one sequence, keys and values from another that may be shared and made beforehand.

    Args:
        channels: Width of the queries and of the result.
        heads: Number of heads; each has ``channels / heads`` channels.
        context_channels: Width of the sequence that is attended to; that of the queries if not given.
    """

    def __init__(self, channels: int, heads: int, context_channels: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_v = nn.Linear(context_channels or channels, channels, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def split(self, sequence: Tensor) -> Tensor:
        """``(b, n, c)`` to ``(b, heads, n, c / heads)``."""
        return sequence.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, context: Tensor) -> KeysValues:
        """Project a context ``(b, m, d)`` once, for as many queries as come."""
        return KeysValues(self.split(self.to_k(context)), self.split(self.to_v(context)))

    def forward(self, queries: Tensor, context: KeysValues, mask: Tensor | None = None) -> Tensor:
        """Attend from ``queries (b, n, c)`` to ``context``; ``mask (b, 1, 1 or n, m)`` True = attend."""
        attended = scaled_dot_product_attention(self.split(self.to_q(queries)), *context, attn_mask=mask)
        projected: Tensor = self.to_out[0](attended.transpose(1, 2).flatten(2))
        return projected
