"""Whether the clips are there."""

from collections.abc import Mapping
from typing import Any

from asva_lightning.data.build import is_built
from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.data.mixture import BareShards, Mixture, Shards, open_shards
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.training.doctor.text import Section
from asva_lightning.training.doctor.tree import instantiate


def shards_section(config: Mapping[str, Any]) -> Section:
    """The shards of a configuration's ``data``: present, to be generated, or missing and what to type."""
    section = Section("Shards")
    try:
        data: ClipDataModule = instantiate(config, ClipDataModule, subclass=False)
        generator = data.generator
        if generator is not None and isinstance(data.shards, str) and not is_built(data.shards):
            counts = f"train {generator.train}, validation {generator.validation}, test {generator.test}"
            section.lines.append(f"{data.shards}: will be generated on first use, clips: {counts}")
            return section
        data.prepare_data()  # compares with the generator; writes nothing where the shards are built
        data.setup("fit")
        section.lines.append(_told(data.shards))
        if data.evaluation_shards is not None:
            section.lines.append(f"validation and test: {_told(data.evaluation_shards)}")
    except (ShardsError, ConfigurationError) as error:
        section.stop(error, "MISSING" if isinstance(error, ShardsError) else "ERROR")
    return section


def _told(shards: Shards) -> str:
    opened: Mixture | BareShards = open_shards(shards)
    if isinstance(opened, BareShards):
        return f"{len(opened.shards)} tars without a manifest, from {opened.shards[0]}; nobody knows how many clips"
    counts = ", ".join(f"{split} {len(opened.samples(split))}" for split in opened.splits)
    return f"{opened.name}: present, clips: {counts}"
