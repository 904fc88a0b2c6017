"""Text encoders: class names or prompts in, tokens for the denoiser out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from asva_lightning.encoders.frozen import Frozen
from asva_lightning.encoders.placed import Placed
from asva_lightning.errors import ConfigurationError
from asva_lightning.weights import find_folder


class TextEncoder(Placed, ABC):
    """What every text encoder offers; the empty text stands for "no text".

    Attributes:
        channels: Width of a token.
    """

    channels: int

    @abstractmethod
    def forward(self, texts: Sequence[str], device: torch.device | None = None) -> Tensor:
        """Encode ``b`` texts into tokens ``(b, n, channels)``, on a device; where the encoder is if not given."""

    @property
    def components(self) -> tuple[nn.Module, Any]:
        """What a diffusers pipeline keeps of this encoder: its network and its tokenizer, if it has one."""
        return self, None


class ClassText(TextEncoder, ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """One learned token for each class text, for networks that start from nothing.

    Args:
        texts: The class texts that there are.
        channels: Width of a token.
    """

    @register_to_config
    def __init__(self, texts: Sequence[str], channels: int = 96) -> None:
        super().__init__()
        self.channels = channels
        self.texts = ["", *texts]
        self.embedding = nn.Embedding(len(self.texts), channels)
        self._place: Tensor
        self.register_buffer("_place", torch.zeros(()), persistent=False)  # follows the module's device

    def forward(self, texts: Sequence[str], device: torch.device | None = None) -> Tensor:
        """Look up ``b`` texts, ``(b, 1, channels)``.

        Raises:
            ConfigurationError: If a text is not one of the class texts.
        """
        unknown = sorted(set(texts) - set(self.texts))
        if unknown:
            known = ", ".join(repr(text) for text in self.texts[1:])
            raise ConfigurationError(f"The text {unknown[0]!r} was not trained. Use one of {known}, or no text.")
        index = torch.tensor([self.texts.index(text) for text in texts], device=device or self._place.device)
        tokens: Tensor = self.embedding(index)
        return tokens[:, None]


class ClipText(TextEncoder):
    """CLIP's text encoder from a transformers folder, frozen, as Stable Diffusion uses it.

    Args:
        folder: A folder in diffusers layout that holds ``text_encoder`` and ``tokenizer``, or the Hub id of one.
    """

    needs: ClassVar[Mapping[str, str]] = {"folder": "stable_diffusion: text_encoder, tokenizer"}

    def __init__(self, folder: str) -> None:
        super().__init__()
        from transformers import CLIPTextModel, CLIPTokenizer

        found = find_folder(folder, "stable_diffusion", ("text_encoder", "tokenizer"))
        self._use(
            CLIPTextModel.from_pretrained(found, subfolder="text_encoder", torch_dtype=torch.float32),
            CLIPTokenizer.from_pretrained(found, subfolder="tokenizer"),
        )

    @classmethod
    def of(cls, model: nn.Module, tokenizer: Any) -> "ClipText":
        """The encoder that uses a ``CLIPTextModel`` and a ``CLIPTokenizer`` that are already loaded."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._use(model, tokenizer)
        return made

    def _use(self, model: Any, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.channels = model.config.hidden_size
        self._model = Frozen(model)
        self._length = model.config.max_position_embeddings
        self._known: dict[str, Tensor] = {}
        self._place: Tensor
        self.register_buffer("_place", torch.zeros(()), persistent=False)  # follows the module's device

    @property
    def components(self) -> tuple[nn.Module, Any]:
        """CLIP's text model and tokenizer."""
        return self._model.network, self._tokenizer

    @torch.no_grad()
    def forward(self, texts: Sequence[str], device: torch.device | None = None) -> Tensor:
        """Encode ``b`` texts, ``(b, 77, channels)``; each distinct text is encoded once in a lifetime."""
        device = device or self._place.device
        for text in set(texts) - self._known.keys():
            words = self._tokenizer(
                text, padding="max_length", max_length=self._length, truncation=True, return_tensors="pt"
            )
            self._known[text] = self._model.on(device)(words.input_ids.to(device)).last_hidden_state[0]
        return torch.stack([self._known[text].to(device) for text in texts])
