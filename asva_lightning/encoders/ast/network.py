"""AST and what is trained on top of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor

from asva_lightning.encoders.ast.layout import AstLayout
from asva_lightning.encoders.layers import Join, LayerTokens, check_layers
from asva_lightning.encoders.projected import AudioNetwork
from asva_lightning.encoders.windows import TokenGrid
from asva_lightning.media import ClipFormat, log_mel
from asva_lightning.weights import find_folder


class AstNetwork(AudioNetwork, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """A frozen ``ASTModel`` and the Linears that are trained on its layers (Gong et al., "AST", Interspeech 2021).

    Of the position embeddings, those of the columns of time that the sound has are taken: a clip of two seconds is
    242 tokens, and no compute goes to padding it to the 1214 tokens of AST's ten seconds.

    Args:
        ast: Settings of transformers' ``ASTConfig``.
        layers: Blocks whose hidden states are read; the last, after AST's own normalisation, if not given.
        channels: Width of a token where layers are read; that of AST if not given.
        join: What becomes of the tokens of several layers.

    Raises:
        ConfigurationError: If a layer does not exist.
    """

    sample_rate = ClipFormat.sample_rate

    @register_to_config
    def __init__(
        self,
        ast: dict[str, Any],
        layers: Sequence[int] | None = None,
        channels: int | None = None,
        join: Join = "sum",
    ) -> None:
        super().__init__()
        from asva_lightning.encoders.ast.model import make_model  # transformers takes long to import

        width, blocks = ast["hidden_size"], ast["num_hidden_layers"]
        check_layers(layers, channels, blocks, "AST")
        self.channels = channels or width
        self.layers = layers
        self.project = None if layers is None else LayerTokens(layers, width, self.channels, join)
        self.layout = _layout_of(ast)
        self.network = make_model(ast)
        self._nothing: dict[int, list[Tensor]] = {}

    @classmethod
    def from_folder(
        cls, folder: str, layers: Sequence[int] | None = None, channels: int | None = None, join: Join = "sum"
    ) -> Self:
        """Read a folder of transformers, or a repository of the Hub.

        Args:
            folder: The folder, or its Hub id.
            layers: As for the class. Blocks after the last of them are not kept.
            channels: As for the class.
            join: As for the class.

        Raises:
            WeightsError: If the folder is missing or damaged, is of another network, or hears sounds in another form.
            ConfigurationError: If a layer does not exist.
        """
        from asva_lightning.encoders.ast.model import sizes_of, weights_of

        found = find_folder(folder, "ast")
        sizes = sizes_of(found)
        check_layers(layers, channels, sizes["num_hidden_layers"], "AST")
        if layers is not None:
            sizes["num_hidden_layers"] = max(layers)
        network = cls(sizes, layers, channels, join)
        network.network.load_state_dict(weights_of(found, sizes["num_hidden_layers"]))
        return network

    def grids(self, samples: int) -> tuple[TokenGrid, ...]:
        """One grid, or one a layer where layers stand one after the other."""
        return (self.layout.grid(samples),) * (1 if self.project is None else self.project.sets)

    # Code of diffusers that moves networks to the GPU for their calls watches ``forward`` only; the hook tells it.
    @apply_forward_hook
    def tokens(self, waveform: Tensor) -> Tensor:
        """Tokens ``(b, m, channels)`` of sounds ``(b, samples)``; gradients reach the Linears only."""
        return self._join(self._states(log_mel(waveform, self.layout.windows(waveform.shape[-1]))))

    @apply_forward_hook
    def nothing(self, samples: int) -> Tensor:
        """Tokens ``(1, m, channels)`` of an all-zero spectrogram, for which AST itself is asked once."""
        if samples not in self._nothing:
            place = "cpu" if self.device.type == "meta" else self.device  # meta: offloaded layer by layer
            self._nothing[samples] = self._states(torch.zeros(1, 1, 128, self.layout.windows(samples), device=place))
        return self._join(self._nothing[samples])

    @torch.no_grad()
    def _states(self, mel: Tensor) -> list[Tensor]:
        """Hidden states of the layers that are read, from ``mel (b, 1, 128, windows)``."""
        inputs = mel.squeeze(1).transpose(1, 2).to(self.network.dtype)
        if self.layers is None:
            return [self.network(inputs).last_hidden_state]
        states = self.network(inputs, output_hidden_states=True).hidden_states
        return [states[layer] for layer in self.layers]

    def _join(self, states: list[Tensor]) -> Tensor:
        return states[0] if self.project is None else self.project(states)


def _layout_of(ast: Mapping[str, Any]) -> AstLayout:
    rows = 1 + (ast["num_mel_bins"] - ast["patch_size"]) // ast["frequency_stride"]
    longest = 1 + (ast["max_length"] - ast["patch_size"]) // ast["time_stride"]
    return AstLayout(ast["patch_size"], ast["time_stride"], rows, longest)
