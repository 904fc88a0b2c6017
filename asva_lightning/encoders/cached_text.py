"""Text tokens that were made once for a data set, in place of the network that made them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.storage import join, read_bytes
from asva_lightning.encoders.text import TextEncoder
from asva_lightning.errors import ConfigurationError, ShardsError

TEXTS_FILE = "texts.safetensors"
"""The file beside ``dataset.json`` that holds the tokens ``(n, channels)`` of each text under the text as name."""


class CachedText(TextEncoder, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """Looks up tokens that `shards encode` made; the network that made them is not loaded.

    Only the class texts of the data set are known, and no text. The tokens are no weights: they are neither trained nor
    saved.

    Args:
        shards: Folder of encoded shards, as a path or address.

    Attributes:
        made_by: Fingerprint of the network that made the tokens.

    Raises:
        ShardsError: If it holds no tokens of texts.
    """

    @register_to_config
    def __init__(self, shards: str) -> None:
        super().__init__()
        encoded = EncodedShards.of(Dataset.open(shards))
        if encoded is None or encoded.text is None:
            raise ShardsError(
                f"{shards} holds no tokens of texts. CachedText needs a folder that `shards encode` made with a recipe "
                "whose text encoder is not trained, such as ClipText."
            )
        self.made_by = encoded.text
        path = join(shards, TEXTS_FILE)
        try:
            known = load(read_bytes(path))
        except (OSError, SafetensorError) as error:
            raise ShardsError(f"{path} cannot be read ({error}). Encode the shards again.") from error
        self.shards = shards
        self._names = {text: place for place, text in enumerate(known)}
        self._tokens: Tensor
        self.register_buffer("_tokens", torch.stack(list(known.values())), persistent=False)
        self.channels = self._tokens.shape[-1]

    def forward(self, texts: Sequence[str], device: torch.device | None = None) -> Tensor:
        """Look up ``b`` texts, ``(b, n, channels)``.

        Raises:
            ConfigurationError: If a text was not encoded.
        """
        unknown = sorted(set(texts) - self._names.keys())
        if unknown:
            known = ", ".join(repr(text) for text in self._names if text)
            raise ConfigurationError(
                f"The text {unknown[0]!r} is not among those that were encoded with {self.shards}. Use one of {known}, "
                "or no text; for other texts the recipe needs the encoder itself, such as ClipText."
            )
        index = torch.tensor([self._names[text] for text in texts], device=self._tokens.device)
        return self._tokens[index].to(device or self._tokens.device)


def texts_file(tokens: Mapping[str, Tensor]) -> bytes:
    """The content of :data:`TEXTS_FILE`, of tokens ``(n, channels)`` by text."""
    contiguous: dict[str, Any] = {text: tensor.float().cpu().contiguous() for text, tensor in tokens.items()}
    return save(contiguous)
