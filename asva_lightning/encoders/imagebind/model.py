"""ImageBind under its official parameter names (Girdhar et al., "ImageBind", CVPR 2023)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from asva_lightning.encoders.imagebind.audio import audio_parts
from asva_lightning.encoders.imagebind.audio_encoder import (
    audio_encoder_from_original_names,
    audio_encoder_to_original_names,
    write_audio_encoder_folder,
)
from asva_lightning.encoders.imagebind.original import HUGE_HEADS, embedding_of, load, select, tower_of
from asva_lightning.encoders.imagebind.text import text_parts
from asva_lightning.encoders.imagebind.tower import Tower
from asva_lightning.encoders.imagebind.transformer import EPSILON, Trunk
from asva_lightning.encoders.imagebind.vision import vision_parts
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.weights import find_file, read_model_folder, read_tensors


class ImageBind(ModelMixin, ConfigMixin):  # type: ignore[misc]  # both bases name the config file
    """Sounds, pictures and texts in one embedding; any of the three towers may be left out.

    Each tower is described by a dictionary of ``width``, ``heads``, ``hidden`` and ``layers``, see
    :class:`~asva_lightning.encoders.imagebind.Tower`.

    Args:
        embedding: Width of the joint embedding.
        audio: The audio tower.
        vision: The vision tower.
        text: The text tower.

    Raises:
        ConfigurationError: If there is no tower, or one cannot be built.
    """

    @register_to_config
    def __init__(
        self,
        embedding: int,
        audio: dict[str, int] | None = None,
        vision: dict[str, int] | None = None,
        text: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        given = {"audio": audio, "vision": vision, "text": text}
        self.towers = {name: Tower.from_config(name, size) for name, size in given.items() if size is not None}
        if not self.towers:
            raise ConfigurationError("ImageBind needs at least one tower: give audio, vision or text.")
        self.modality_preprocessors = nn.ModuleDict()
        self.modality_trunks = nn.ModuleDict()
        self.modality_heads = nn.ModuleDict()
        self.modality_postprocessors = nn.ModuleDict()
        build = {"audio": audio_parts, "vision": vision_parts, "text": text_parts}
        for name, tower in self.towers.items():
            parts = build[name](tower, embedding)
            self.modality_preprocessors[name] = parts.preprocessor
            self.modality_trunks[name] = parts.trunk
            self.modality_heads[name] = parts.head
            self.modality_postprocessors[name] = parts.postprocessor

    @classmethod
    def from_original(
        cls,
        state_dict: Mapping[str, Tensor],
        heads: Mapping[str, int] = HUGE_HEADS,
        modalities: Sequence[str] | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """Build it from official tensors, which are copied.

        Args:
            state_dict: Tensors under their official names; those of other towers are left where they are.
            heads: Attention heads by modality, which no tensor tells.
            modalities: The towers to build; ``None`` for all that the tensors hold and ``heads`` names.
            dtype: Floating-point type of the model; that of the tensors if not given.

        Returns:
            The model in eval mode, without gradients.

        Raises:
            ConfigurationError: If the modalities or heads cannot be.
            WeightsError: If a tensor is missing or does not fit; the first one is named.
        """
        towers = select(state_dict, modalities)
        if modalities is None:
            towers = {name: tensors for name, tensors in towers.items() if name in heads} or towers
        sizes = {name: asdict(tower_of(name, tensors, heads)) for name, tensors in towers.items()}
        first = next(iter(towers))
        with torch.device("meta"):
            model = cls(embedding=embedding_of(first, towers[first]), **sizes)
        load(model, {name: tensor for tensors in towers.values() for name, tensor in tensors.items()}, dtype)
        return model.eval().requires_grad_(False)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        heads: Mapping[str, int] = HUGE_HEADS,
        modalities: Sequence[str] | None = ("audio",),
        dtype: torch.dtype | None = torch.float32,
    ) -> Self:
        """Read the official ``imagebind_huge.pth``, or a safetensors file of the same names.

        Memory is needed for these towers only, whatever else the file holds.

        Args:
            path: The file, or ``org/name/file`` of the Hub.
            heads: As for :meth:`from_original`.
            modalities: As for :meth:`from_original`.
            dtype: Floating-point type of the model; as stored if not given.

        Raises:
            ConfigurationError: As for :meth:`from_original`.
            WeightsError: If the file is missing or damaged, is not a file of tensors, or does not fit.
        """
        try:
            file = find_file(str(path), "imagebind_huge")
        except WeightsError as error:
            raise WeightsError(
                f"{error} Or use asva_lightning.encoders.LogMelEncoder as the audio encoder, which needs no weights."
            ) from error
        tensors = read_tensors(file, "ImageBind's weights")
        with _named_in_errors(file):
            return cls.from_original(tensors, heads, modalities, dtype)

    @classmethod
    def from_audio_encoder_folder(
        cls,
        folder: str | Path,
        heads: Mapping[str, int] = HUGE_HEADS,
        dtype: torch.dtype | None = torch.float32,
    ) -> Self:
        """Read the audio tower from the folder ``audio_encoder`` of a published AVSyncD checkpoint.

        Args:
            folder: The folder, with ``diffusion_pytorch_model.bin`` or ``.safetensors``.
            heads: As for :meth:`from_original`.
            dtype: Floating-point type of the model; as stored if not given.

        Raises:
            WeightsError: If the folder is missing or damaged, or a tensor is missing or does not fit.
        """
        tensors = read_model_folder(Path(folder), "the audio encoder of AVSyncD")
        with _named_in_errors(folder):
            return cls.from_original(audio_encoder_to_original_names(tensors), heads, ("audio",), dtype)

    def audio_encoder_state_dict(self) -> dict[str, Tensor]:
        """The audio tower under the names that published AVSyncD checkpoints use in ``audio_encoder``.

        Raises:
            WeightsError: If the audio tower is not loaded.
        """
        self._check_loaded("audio")
        return audio_encoder_from_original_names(select(self.state_dict(), ("audio",))["audio"])

    def save_audio_encoder_folder(self, folder: str | Path) -> None:
        """Write the audio tower in the layout of the published AVSyncD checkpoints.

        Raises:
            WeightsError: If the audio tower is not loaded.
        """
        write_audio_encoder_folder(self.audio_encoder_state_dict(), Path(folder))

    # Code of diffusers that moves networks to the GPU for their calls watches ``forward`` only; the hook tells it.
    @apply_forward_hook
    def trunk(self, mel: Tensor) -> Tensor:
        """Tokens of the audio trunk ``(b, 229, width)`` from ``mel (b, 1, 128, 204)``, before any normalisation.

        Raises:
            ConfigurationError: If the spectrogram has another shape.
            WeightsError: If the audio tower is not loaded.
        """
        return self._tokens("audio", self._ready("audio", mel))

    @apply_forward_hook
    def audio_tokens(self, mel: Tensor) -> Tensor:
        """What AVSyncD is conditioned on: the trunk's tokens after a layer normalisation without parameters.

        Args:
            mel: Log-mel spectrograms ``(b, 1, 128, 204)``, see :func:`asva_lightning.media.log_mel`.

        Returns:
            ``(b, 229, width)`` in the type of the model.

        Raises:
            ConfigurationError: If the spectrogram has another shape.
            WeightsError: If the audio tower is not loaded.
        """
        tokens = self._tokens("audio", self._ready("audio", mel))
        return layer_norm(tokens, tokens.shape[-1:], eps=EPSILON)

    @apply_forward_hook
    def audio_layers(self, mel: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """The trunk's tokens after some of its blocks, before any normalisation.

        Args:
            mel: Log-mel spectrograms ``(b, 1, 128, 204)``.
            layers: Numbers of the blocks, from 1.

        Returns:
            ``(b, 229, width)`` for each layer, in the type of the model.

        Raises:
            ConfigurationError: If the spectrogram has another shape.
            WeightsError: If the audio tower is not loaded.
        """
        mel = self._ready("audio", mel)
        trunk = self.modality_trunks["audio"]
        assert isinstance(trunk, Trunk)
        tokens, mask = self.modality_preprocessors["audio"](mel)
        return trunk.states(tokens, mask, layers)

    @apply_forward_hook
    def embed(self, modality: str, inputs: Tensor) -> Tensor:
        """Embeddings as the original returns them.

        Args:
            modality: ``audio``, ``vision`` or ``text``.
            inputs: Log-mel spectrograms ``(b, 1, 128, 204)``; pictures ``(b, 3, 224, 224)``, see
                :func:`~asva_lightning.encoders.imagebind.prepare_pictures`; token ids ``(b, 77)``, see
                :func:`~asva_lightning.encoders.imagebind.tokenize`.

        Returns:
            ``(b, embedding)`` in the type of the model: of unit norm for pictures, of unit norm times the logit scale
            for sounds and texts. Normalise both sides before you take a cosine.

        Raises:
            ConfigurationError: If the inputs have another shape.
            WeightsError: If the tower of this modality is not loaded.
        """
        inputs = self._ready(modality, inputs)
        embedding = self.modality_heads[modality](self._tokens(modality, inputs), inputs)
        result: Tensor = self.modality_postprocessors[modality](embedding)
        return result

    def _tokens(self, modality: str, inputs: Tensor) -> Tensor:
        tokens: Tensor = self.modality_trunks[modality](*self.modality_preprocessors[modality](inputs))
        return tokens

    def _ready(self, modality: str, inputs: Tensor) -> Tensor:
        """Check the inputs, and bring them to the type of the model and to where it is."""
        self._check_loaded(modality)
        preprocessor: Any = self.modality_preprocessors[modality]
        if inputs.shape[1:] != preprocessor.shape:
            shape = ", ".join(map(str, ("b", *preprocessor.shape)))
            raise ConfigurationError(
                f"ImageBind's {modality} tower takes ({shape}), not {tuple(inputs.shape)}. {preprocessor.advice}."
            )
        if inputs.is_floating_point():
            inputs = inputs.to(self.dtype)
        # Layers that are offloaded one by one are nowhere now, and fetch their inputs themselves.
        return inputs if self.device.type == "meta" else inputs.to(self.device)

    def _check_loaded(self, modality: str) -> None:
        if modality not in self.towers:
            raise WeightsError(f"The {modality} tower is not loaded; this model holds: {', '.join(self.towers)}.")


@contextmanager
def _named_in_errors(place: str | Path) -> Iterator[None]:
    """Errors about tensors also say where these lie."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{place}: {error}") from error
