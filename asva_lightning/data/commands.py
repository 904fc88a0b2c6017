"""The commands ``shards build`` and ``shards info``."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from asva_lightning.data.build import Layout, build
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.sources import ClipSource, MediaFolder
from asva_lightning.errors import ConfigurationError


def build_shards(
    source: str,
    output: str,
    layout: Layout = "shards",
    workers: int = 2,
    samples_per_shard: int = 128,
    test_share: float = 0.1,
    minimum_seconds: float = 2.0,
) -> int:
    """Make shards from a folder of clips, or from a data set recipe such as shards/synthsync.yaml.

    Args:
        source: A folder with one subfolder a class (AVSync15's layout is understood), or a recipe.
        output: The folder to make.
        layout: ``shards`` for WebDataset tars with a manifest, ``folder`` for plain files in AVSync15's layout.
        workers: Processes.
        samples_per_shard: Most samples in one shard.
        test_share: Share of clips kept for testing where no list says.
        minimum_seconds: Shorter clips are left out.

    Returns:
        The exit code: 1 if clips had to be left out, else 0.
    """
    made_of = (
        _recipe(source) if source.endswith((".yaml", ".yml")) else MediaFolder(source, test_share, minimum_seconds)
    )
    report = build(made_of, output, layout, workers, samples_per_shard)
    sys.stdout.write(report.text + "\n")
    return 1 if report.left_out else 0


def show_shards(folder: str) -> None:
    """Print what a folder of shards holds: clips, hours, sizes and classes by split.

    Args:
        folder: The folder.
    """
    dataset = Dataset.open(folder)
    made_from = ", ".join(f"{name} {value}" for name, value in dataset.description["made_from"].items())
    lines = [f"{folder}, made from {made_from}", ""]
    for split in dataset.splits:
        samples = dataset.samples(split)
        shards = {sample.shard for sample in samples}
        size = sum((dataset.folder / shard).stat().st_size for shard in shards) / 2**20
        minutes = sum(sample.seconds for sample in samples) / 60
        rates = sorted({round(sample.fps, 2) for sample in samples})
        lengths = [sample.seconds for sample in samples]
        lines.append(
            f"{split}: {len(samples)} clips of {min(lengths):.1f} to {max(lengths):.1f} s, {minutes:.1f} min in all, "
            f"{rates[0]:g} to {rates[-1]:g} frames a second, {len(shards)} shards, {size:.1f} MiB"
        )
        counts = Counter(sample.text for sample in samples)
        lines += [f"  {count:6d}  {text}" for text, count in sorted(counts.items())]
    left_out = dataset.description.get("left_out", [])
    lines += [f"left out: {len(left_out)}"] + [f"  {entry['key']}: {entry['reason']}" for entry in left_out]
    sys.stdout.write("\n".join(lines) + "\n")


def _recipe(path: str) -> ClipSource:
    """The source that a YAML recipe describes by ``class_path`` and ``init_args``."""
    from jsonargparse import ArgumentParser

    if not Path(path).is_file():
        raise ConfigurationError(f"The data set recipe {path} does not exist. Recipes lie in shards/.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(ClipSource, "source")
    content: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    source: ClipSource = parser.instantiate_classes(parser.parse_object({"source": content})).source
    return source
