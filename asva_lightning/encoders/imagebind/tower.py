"""What makes up a tower of ImageBind, whatever it looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from torch import nn

from asva_lightning.errors import ConfigurationError

MODALITIES = ("audio", "vision", "text")
"""The towers that are built here; the original's depth, thermal and motion towers are not."""


@dataclass(frozen=True)
class Tower:
    """Size of one tower.

    Args:
        width: Width of a token.
        heads: Attention heads.
        hidden: Hidden width of the MLPs.
        layers: Transformer blocks.

    Raises:
        ConfigurationError: If a value is not positive, or the width does not divide by the heads.
    """

    width: int
    heads: int
    hidden: int
    layers: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 1:
                raise ConfigurationError(f"A tower of ImageBind needs {field.name} >= 1, not {value}.")
        if self.width % self.heads:
            raise ConfigurationError(
                f"A tower of ImageBind that is {self.width} wide cannot have {self.heads} heads. "
                "Give a number of heads that divides the width."
            )

    @classmethod
    def from_config(cls, modality: str, config: Mapping[str, Any]) -> "Tower":
        """Make it from plain values, as ``config.json`` holds them.

        Raises:
            ConfigurationError: If a value is missing, unknown or cannot work.
        """
        names = [field.name for field in fields(cls)]
        if set(config) != set(names):
            met = ", ".join(config) or "nothing"
            raise ConfigurationError(f"ImageBind's {modality} tower is described by {', '.join(names)}, not by {met}.")
        return cls(**config)


class Parts(NamedTuple):
    """The four modules of a tower, in the order in which they are passed.

    Args:
        preprocessor: ``inputs -> tokens (b, n, width), attention mask (n, n) or None``; has the attributes ``shape``,
            that of one input, and ``advice``, how to make one.
        trunk: ``tokens, mask -> tokens (b, n, width)``.
        head: ``tokens, inputs -> (b, embedding)``.
        postprocessor: The last steps on the embedding.
    """

    preprocessor: nn.Module
    trunk: nn.Module
    head: nn.Module
    postprocessor: nn.Module
