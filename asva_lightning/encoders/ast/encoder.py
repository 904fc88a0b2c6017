"""AST as an audio encoder."""

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from asva_lightning.encoders.ast.layout import AstLayout
from asva_lightning.encoders.ast.network import AstNetwork
from asva_lightning.encoders.layers import Join
from asva_lightning.encoders.projected import ProjectedAudio
from asva_lightning.encoders.windows import TokenGrid


class AstAudio(ProjectedAudio):
    """The Audio Spectrogram Transformer of transformers, frozen (weights: BSD-3-Clause).

    It hears 10 s at most. A token is 160 ms by 16 bands of frequency, one every 100 ms; a class token and a
    distillation token of the whole sound come first.

    Args:
        folder: A folder of transformers such as that of ``MIT/ast-finetuned-audioset-10-10-0.4593``, or its Hub id.
        layers: Blocks, counted from 1, whose hidden states are read, each through a Linear that is trained; the
            network's own result, as it is, if not given.
        layer_channels: Width of a token where layers are read; that of AST if not given.
        join: ``sum`` adds the tokens of several layers, ``concatenate`` gives all of them.

    Raises:
        ConfigurationError: If a layer does not exist, or there is a width without layers.
        WeightsError: If the weights are missing, damaged, or of another network.
    """

    needs: ClassVar[Mapping[str, str]] = {"folder": "ast"}
    layout: AstLayout = AstLayout()  # until the weights say otherwise

    def __init__(
        self, folder: str, layers: list[int] | None = None, layer_channels: int | None = None, join: Join = "sum"
    ) -> None:
        super().__init__()
        self._use(AstNetwork.from_folder(folder, layers, layer_channels, join))

    @classmethod
    def of(cls, network: AstNetwork) -> "AstAudio":
        """The encoder that uses a network that is already loaded."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(network)
        return made

    def _use(self, network: AstNetwork) -> None:
        self._hold(network)
        self.project = network.project
        self.layout = network.layout

    def grid(self, samples: int) -> TokenGrid:
        """The layout of the tokens of one layer."""
        return self.layout.grid(samples)
