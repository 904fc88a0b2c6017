"""Saving a pipeline as a folder of diffusers, and opening one without trusting what it names."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from diffusers import ModelMixin, SchedulerMixin
from torch import nn

from asva_lightning.encoders.windows import windows_from_config
from asva_lightning.errors import ConfigurationError, WeightsError
from asva_lightning.weights import check_finite, find_folder

OURS = "asva_lightning"
"""What stands as library of our own classes in ``model_index.json``, wherever their modules are."""


class Place(NamedTuple):
    """Where a class of a folder is today."""

    module: str
    name: str


COMPONENTS = {
    (OURS, "AVSyncUNet"): Place("asva_lightning.denoiser", "AVSyncUNet"),
    (OURS, "ImageBind"): Place("asva_lightning.encoders", "ImageBind"),
    (OURS, "ImageBindLayers"): Place("asva_lightning.encoders", "ImageBindLayers"),
    (OURS, "AstNetwork"): Place("asva_lightning.encoders", "AstNetwork"),
    (OURS, "SeveralAudioNetworks"): Place("asva_lightning.encoders", "SeveralAudioNetworks"),
    (OURS, "LogMelEncoder"): Place("asva_lightning.encoders", "LogMelEncoder"),
    (OURS, "ClassText"): Place("asva_lightning.encoders", "ClassText"),
    (OURS, "PixelCodec"): Place("asva_lightning.encoders", "PixelCodec"),
    ("diffusers", "AutoencoderKL"): Place("diffusers", "AutoencoderKL"),
    ("transformers", "CLIPTextModel"): Place("transformers", "CLIPTextModel"),
    ("transformers", "CLIPTokenizer"): Place("transformers", "CLIPTokenizer"),
    ("transformers", "CLIPTokenizerFast"): Place("transformers", "CLIPTokenizerFast"),
}
"""All classes besides schedulers that a folder may name. Nothing else is ever imported on behalf of a folder."""

NAMES = ("unet", "vae", "audio_encoder", "text_encoder", "tokenizer", "scheduler")
SETTINGS = ("clip", "windows", "steps", "guidance")


class LoadedByTable:
    """Mixed into a pipeline of diffusers: its folders name our classes by a fixed table, not by module."""

    config: dict[str, Any]

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Write the pipeline as a folder in diffusers layout, safetensors only.

        Args:
            save_directory: The folder.
            options: Further options of diffusers' ``save_pretrained``.

        Raises:
            ConfigurationError: If the pipeline has parts that no folder can name, such as those of your own.
        """
        windows_from_config(self.config["windows"])
        for name in NAMES:
            part = getattr(self, name)
            library = type(part).__module__.partition(".")[0]
            if part is None or (library == "diffusers" and isinstance(part, SchedulerMixin)):
                continue
            if (library, type(part).__name__) not in COMPONENTS:
                raise ConfigurationError(
                    f"A {type(part).__name__} of {type(part).__module__} cannot be exported as {name}: a folder names "
                    "only classes that whoever opens it has. Use the run folder itself, or add the class to "
                    "asva_lightning/diffusion/pipeline_folder.py."
                )
            if library == OURS:
                self.register_to_config(**{name: (OURS, type(part).__name__)})  # type: ignore[attr-defined]
        super().save_pretrained(save_directory, **options)  # type: ignore[misc]

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        torch_dtype: torch.dtype | None = None,
        variant: str | None = None,
        **components: Any,
    ) -> Self:
        """Open a folder that :meth:`save_pretrained` or ``export`` wrote.

        Args:
            source: The folder, or a Hub id.
            torch_dtype: Floating-point type of the networks; as stored if not given.
            variant: Variant of the weight files, such as ``fp16``.
            components: Components to use in place of the folder's.

        Raises:
            WeightsError: If something is missing or damaged, holds NaN, or names a class that is not in the table.
        """
        unknown = components.keys() - {*NAMES}
        if unknown:
            raise TypeError(
                f"from_pretrained has no argument {sorted(unknown)[0]!r}; components are {', '.join(NAMES)}."
            )
        folder = find_folder(str(source), "an exported pipeline")
        index = _read_index(folder)
        kinds = {name: _component_class(name, index, folder) for name in NAMES if name not in components}
        for name, kind in kinds.items():
            components[name] = kind and _load(kind, folder / name, torch_dtype, variant)
        return cls(**components, **{name: index[name] for name in SETTINGS if name in index})


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(
            f"{folder} has no model_index.json, so it is no exported pipeline. Make one with "
            "`python -m asva_lightning export SOURCE DEST`."
        ) from None
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON ({error}). Export the pipeline again.") from error
    if not isinstance(index, dict) or index.get("_class_name") != "AnimationPipeline":
        kind = index.get("_class_name") if isinstance(index, dict) else type(index).__name__
        raise WeightsError(f"{path} describes a {kind}, not an AnimationPipeline. Give a folder that `export` wrote.")
    return index


def _component_class(name: str, index: dict[str, Any], folder: Path) -> Any:
    """The class of a component; ``None`` where the folder has none of that name."""
    entry = index.get(name)
    if not isinstance(entry, list) or len(entry) != 2:
        raise WeightsError(f"{folder / 'model_index.json'} does not say what {name} is. Export the pipeline again.")
    library, class_name = entry
    if class_name is None and name == "tokenizer":
        return None
    if library == "diffusers" and name == "scheduler":
        kind = getattr(import_module("diffusers"), str(class_name), None)
        if isinstance(kind, type) and issubclass(kind, SchedulerMixin):
            return kind
    place = COMPONENTS.get((library, class_name))
    if place is None:
        raise WeightsError(
            f"{folder / 'model_index.json'} asks for the class {class_name} of {library} as {name}. Only classes of "
            "asva_lightning, diffusers and transformers that belong to this pipeline are loaded."
        )
    return getattr(import_module(place.module), place.name)


def _load(kind: Any, folder: Path, dtype: torch.dtype | None, variant: str | None) -> Any:
    if not folder.is_dir():
        raise WeightsError(f"{folder} is missing: the export is incomplete. Export the pipeline again.")
    options: dict[str, Any] = {}
    if issubclass(kind, nn.Module):
        # Half of a folder in pickles would be as unsafe as all of it.
        options = {"torch_dtype": dtype, "variant": variant, "use_safetensors": True, "low_cpu_mem_usage": False}
    try:
        part = _without_weights(kind, folder) or kind.from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder} cannot be loaded: {error}") from error
    if isinstance(part, nn.Module):
        check_finite(dict(part.named_parameters()), str(folder))  # masks among the buffers hold -inf
        part.eval()
    return part


def _without_weights(kind: Any, folder: Path) -> Any:
    """A network that has no weights, for which diffusers writes no file; ``None`` for others."""
    if not issubclass(kind, ModelMixin) or list(folder.glob("*.safetensors*")):
        return None
    part = kind.from_config(kind.load_config(folder))
    return None if part.state_dict() else part
