"""Hidden states of several layers of a frozen network, each with a Linear of its own, as tokens."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from asva_lightning.errors import ConfigurationError

Join = Literal["sum", "concatenate"]
"""What becomes of the tokens of several layers: their sum, or all of them one layer after the other."""


def check_layers(layers: Sequence[int] | None, channels: int | None, blocks: int, network: str) -> None:
    """Refuse layers that cannot be.

    Args:
        layers: Numbers of transformer blocks, from 1; ``None`` where none is read.
        channels: Width that their Linears shall make, if one was given.
        blocks: How many blocks there are.
        network: Name of the network, for the message.

    Raises:
        ConfigurationError: If a layer does not exist or stands twice, or there is a width without layers.
    """
    some = f"[{blocks}]" if blocks < 2 else f"[{blocks // 2}, {blocks}]"
    if layers is None:
        if channels is not None:
            raise ConfigurationError(
                f"layer_channels {channels} has no effect without layers. Say which blocks of {network}, 1 to {blocks},"
                f" go through a Linear, such as layers: {some}; or leave layer_channels out."
            )
        return
    if not layers or len(set(layers)) < len(layers) or not all(1 <= layer <= blocks for layer in layers):
        raise ConfigurationError(
            f"layers {list(layers)} cannot be read from {network}. Give one or several of its blocks, 1 to {blocks}, "
            f"each once, such as {some}."
        )


class LayerTokens(nn.Module):
    """The trained part of an encoder that reads several layers (Scaling-up ASVA).

    Hidden states are normalised without parameters, as the method normalises those of its last layer.

    Args:
        layers: Numbers of the layers; they name the Linears.
        width: Width of the hidden states.
        channels: Width of a token.
        join: See :data:`Join`.
    """

    def __init__(self, layers: Sequence[int], width: int, channels: int, join: Join) -> None:
        super().__init__()
        self.join = join
        self.linears = nn.ModuleDict({str(layer): nn.Linear(width, channels) for layer in layers})

    @property
    def sets(self) -> int:
        """How many sets of tokens there are."""
        return 1 if self.join == "sum" else len(self.linears)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """From the states ``(b, m, width)`` of each layer to ``(b, m or layers * m, channels)``."""
        tokens = [project(linear, normalise(state)) for linear, state in zip(self.linears.values(), states)]
        return torch.stack(tokens).sum(dim=0) if self.join == "sum" else torch.cat(tokens, dim=1)


def normalise(states: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Layer normalisation without parameters."""
    return layer_norm(states, states.shape[-1:], eps=epsilon)


def project(linear: nn.Module, states: Tensor) -> Tensor:
    """Apply a Linear to states of a frozen network, which may have another type and be on another device."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    # Weights that are offloaded one by one are nowhere now, and fetch their inputs themselves.
    place = states.device if weight.device.type == "meta" else weight.device
    tokens: Tensor = linear(states.to(place, weight.dtype))
    return tokens
