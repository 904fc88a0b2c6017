"""What a recipe may write as ``${...}`` besides the names of its own settings."""

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from asva_lightning.data.mixture import BareShards, open_shards
from asva_lightning.errors import ConfigurationError


def register_interpolations() -> None:
    """Make ``${class_texts:${data.shards}}`` known to the parser: the class texts of shards, sorted.

    The texts themselves stand in the configuration that the run folder keeps, so a run is opened without its shards.
    """
    OmegaConf.register_resolver("class_texts", class_texts, replace=True)


def class_texts(shards: str | Sequence[str]) -> Any:
    """The class texts of some shards: those of the samples of all splits, and those that ``dataset.json`` names.

    The latter may be of classes that lost their last sample. They stay, since the list is part of what a run is.

    Returns:
        The texts, sorted.

    Raises:
        ConfigurationError: If the shards have no manifest.
        ShardsError: If they are missing or damaged.
    """
    opened = open_shards(shards if isinstance(shards, str) else list(shards))
    if isinstance(opened, BareShards):
        raise ConfigurationError(
            f"{opened.shards[0]} has no manifest that names class texts. List them in the recipe in place of "
            "${class_texts:...}."
        )
    texts = {text for dataset in opened.datasets for text in dataset.description.get("texts", {}).values()}
    texts |= {sample.text for split in opened.splits for sample in opened.samples(split)}
    return sorted(texts)
