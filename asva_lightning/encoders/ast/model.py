"""The ASTModel of transformers, for sounds of any length up to its own. Imported when one is made, as it takes long."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import ASTConfig, ASTModel
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTEmbeddings
from transformers.utils import logging as transformers_logging

from asva_lightning.errors import WeightsError
from asva_lightning.media import ClipFormat
from asva_lightning.weights import missing, read_config

SIZES = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act", "layer_norm_eps",
    "patch_size", "qkv_bias", "frequency_stride", "time_stride", "max_length", "num_mel_bins",
)  # fmt: skip
"""Settings of ``ASTConfig`` that decide what the network computes once it is trained."""

HEARS = {"mean": -4.2677393, "std": 4.5689974, "num_mel_bins": 128, "sampling_rate": ClipFormat.sample_rate}
"""Settings of ``ASTFeatureExtractor`` whose spectrograms :func:`asva_lightning.media.log_mel` equals; AudioSet's."""


class EmbeddingsOfAnyLength(ASTEmbeddings):
    """AST's embeddings, with the position embeddings of as many columns of time as the spectrogram has."""

    def forward(self, input_values: Tensor) -> Tensor:
        """From spectrograms ``(b, windows, bands)`` to tokens: class, distillation, then band by band."""
        rows, longest = self.get_shape(self.config)
        patches = self.patch_embeddings(input_values)
        columns = patches.shape[1] // rows
        of_patches = self.position_embeddings[:, 2:].unflatten(1, (rows, longest))[:, :, :columns].flatten(1, 2)
        leading = torch.cat([self.cls_token, self.distillation_token], dim=1) + self.position_embeddings[:, :2]
        return torch.cat([leading.expand(len(patches), -1, -1), patches + of_patches], dim=1)


def make_model(sizes: Mapping[str, Any]) -> Any:
    """An untrained ``ASTModel`` that takes sounds of any length, frozen."""
    config = ASTConfig(**sizes)
    model = ASTModel(config)
    model.embeddings = EmbeddingsOfAnyLength(config)
    return model.eval().requires_grad_(False)


def sizes_of(folder: Path) -> dict[str, Any]:
    """The sizes of the AST of a folder.

    Raises:
        WeightsError: If it is none, or was trained on other spectrograms than are made here.
    """
    if not (folder / "config.json").is_file():
        raise missing(f"{folder} has no config.json.", "ast")
    kind = read_config(folder).get("model_type")
    if kind != ASTConfig.model_type:
        raise WeightsError(
            f"{folder} holds a network of the kind {kind}, not {ASTConfig.model_type}. Give the folder of an AST."
        )
    config = ASTConfig.from_pretrained(folder)
    _check_hearing({**_preprocessor(folder), "num_mel_bins": config.num_mel_bins}, folder)
    return {name: getattr(config, name) for name in SIZES}


def weights_of(folder: Path, blocks: int) -> dict[str, Tensor]:
    """The tensors of the first blocks, under the names that the installed transformers gives them.

    Raises:
        WeightsError: If they are damaged, or one is missing.
    """
    try:
        with _silent():  # what of a file is left out, such as its classifier, is left out on purpose
            loaded: Any = ASTModel.from_pretrained(
                folder, num_hidden_layers=blocks, torch_dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise WeightsError(f"{folder} cannot be read as an AST: {error}. Fetch it again.") from error
    model, about = loaded
    lacks = sorted(map(str, [*about["missing_keys"], *about["mismatched_keys"]]))
    if lacks:
        raise WeightsError(f"{folder} does not fit its config.json: see tensor {lacks[0]}. Fetch it again.")
    tensors: dict[str, Tensor] = model.state_dict()
    return tensors


def _preprocessor(folder: Path) -> dict[str, Any]:
    path = folder / "preprocessor_config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON ({error}). Fetch it again.") from error
    return settings if isinstance(settings, dict) else {}


def _check_hearing(settings: Mapping[str, Any], folder: Path) -> None:
    for name, value in HEARS.items():
        given = settings.get(name, value)
        if abs(given - value) > 1e-3:
            raise WeightsError(
                f"{folder} was trained on spectrograms with {name} {given:g}, but here they have {value:g}, as for "
                "AudioSet. Give an AST that was trained on AudioSet."
            )


@contextmanager
def _silent() -> Iterator[None]:
    """Without the warnings and the progress bar of transformers."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bar:
            transformers_logging.enable_progress_bar()
