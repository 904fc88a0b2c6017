"""The commands ``shards build``, ``info``, ``lint`` and ``preview``."""

import json
import logging
import sys
from argparse import ArgumentError
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from asva_lightning.data.build import Layout, build
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.mixture import BareShards, Mixture, open_shards
from asva_lightning.data.sources import ClipSource, MediaFolder
from asva_lightning.data.storage import size_of
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import write_text

logger = logging.getLogger(__name__)


def build_shards(
    source: str,
    output: str,
    as_: Layout = "shards",
    workers: int = 2,
    samples_per_shard: int = 128,
    test_share: float = MediaFolder.test_share,
    minimum_seconds: float = MediaFolder.minimum_seconds,
) -> int:
    """Make shards from a folder of clips, or from a data set recipe such as shards/synthsync.yaml.

    Args:
        source: A folder with one subfolder a class (AVSync15's layout is understood), or a recipe.
        output: The folder to make.
        as_: ``shards`` for WebDataset tars with a manifest, ``folder`` for plain files in AVSync15's layout.
        workers: Processes.
        samples_per_shard: Most samples in one shard.
        test_share: Share of clips kept for testing where no list says.
        minimum_seconds: Shorter clips are left out.

    Returns:
        The exit code: 1 if clips had to be left out, else 0.
    """
    if source.endswith((".yaml", ".yml")):
        made_of = _recipe(source)
        if (test_share, minimum_seconds) != (MediaFolder.test_share, MediaFolder.minimum_seconds):
            logger.warning("--test_share and --minimum_seconds have no effect: the recipe %s says it all.", source)
    else:
        made_of = MediaFolder(source, test_share, minimum_seconds)
    report = build(made_of, output, as_, workers, samples_per_shard)
    sys.stdout.write(report.text + "\n")
    return 1 if report.left_out else 0


def show_shards(shards: str) -> None:
    """Print what shards hold: clips, hours, sizes and classes by split.

    Args:
        shards: What ``data.shards`` of a recipe may be: a folder, or tars of one by a pattern.
    """
    for dataset in with_manifest(shards).datasets:
        sys.stdout.write(_told(dataset) + "\n")


def lint_shards(shards: str, also: str | None = None, workers: int = 2, report: str | None = None) -> int:
    """Look for everything that can be wrong: bytes, samples that do not decode, duplicates, classes.

    Clips are compared by how they look and sound, within and across splits, so that clips that were encoded again,
    resized, cut elsewhere or cropped a little are found too.

    Args:
        shards: What ``data.shards`` of a recipe may be: a folder, or tars of one by a pattern.
        also: Another data set that is looked at together with the first, to find clips that both hold.
        workers: Processes.
        report: JSON file to write the report to. Only with it can an interrupted start be continued.

    Returns:
        The exit code: 1 if something is wrong, else 0.
    """
    from asva_lightning.data.lint import lint

    opened = with_manifest(shards)
    if also is not None:
        opened = Mixture(opened.datasets + with_manifest(also).datasets)
    journal = None if report is None else Path(f"{report}.journal.jsonl")
    found = lint(opened, workers, journal)
    sys.stdout.write(found.text + "\n")
    if report is not None and journal is not None:
        write_text(Path(report), json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n")
        journal.unlink(missing_ok=True)
    return found.exit_code


def preview_shards(shards: str, page: str, split: str = "train", clips_per_class: int = 3, height: int = 128) -> int:
    """Write a page that shows some clips of each class: video with sound, and frames over the waveform.

    Args:
        shards: What ``data.shards`` of a recipe may be: a folder, or tars of one by a pattern.
        page: The HTML file to write. It holds everything in itself and opens from disk.
        split: The split to show.
        clips_per_class: Clips of each class, spread evenly over the split.
        height: Height of the videos in pixels.

    Returns:
        The exit code: 1 if a clip could not be read, else 0.
    """
    from asva_lightning.data.preview import preview

    bad = preview(with_manifest(shards), Path(page), split, clips_per_class, height)
    sys.stdout.write("\n".join([page, *(f"  {clip.key} in {clip.shard}: {clip.reason}" for clip in bad)]) + "\n")
    return 1 if bad else 0


def _told(dataset: Dataset) -> str:
    """What one data set holds, in lines."""
    made_from = ", ".join(f"{name} {value}" for name, value in dataset.description["made_from"].items())
    lines = [f"{dataset.folder}, made from {made_from}", ""]
    for split in dataset.splits:
        samples = dataset.samples(split)
        shards = {sample.address for sample in samples}
        size = sum(size_of(shard) for shard in shards) / 2**20
        minutes = sum(sample.seconds for sample in samples) / 60
        lengths, rates = _span([sample.seconds for sample in samples]), _span([sample.fps for sample in samples])
        lines.append(
            f"{split}: {len(samples)} clips of {lengths} s, {minutes:.1f} min in all, {rates} frames a second, "
            f"{len(shards)} shard{'s' * (len(shards) > 1)}, {size:.1f} MiB"
        )
        counts = Counter(sample.text for sample in samples)
        lines += [f"  {count:6d}  {text}" for text, count in sorted(counts.items())]
    left_out = dataset.description.get("left_out", [])
    return "\n".join(
        lines + [f"left out: {len(left_out)}"] + [f"  {entry['key']}: {entry['reason']}" for entry in left_out]
    )


def with_manifest(shards: str) -> Mixture:
    """Shards that a command looks at sample by sample.

    Raises:
        ConfigurationError: If they have no manifest.
    """
    opened = open_shards(shards)
    if isinstance(opened, BareShards):
        raise ConfigurationError(
            f"{opened.shards[0]} has no manifest. This command needs one: build the shards with "
            "`python -m asva_lightning shards build`."
        )
    return opened


def _span(values: Sequence[float]) -> str:
    """The lowest and the highest value, or the one there is."""
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def _recipe(path: str) -> ClipSource:
    """The source that a YAML recipe describes by ``class_path`` and ``init_args``.

    Raises:
        ConfigurationError: If there is no such recipe, or it describes no source.
    """
    from jsonargparse import ArgumentParser

    if not Path(path).is_file():
        raise ConfigurationError(f"The data set recipe {path} does not exist. Recipes lie in shards/.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--source", type=ClipSource, required=True)
    try:
        content: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        source: ClipSource = parser.instantiate_classes(parser.parse_object({"source": content})).source
    except (yaml.YAMLError, ArgumentError) as error:
        raise ConfigurationError(
            f"The recipe {path} cannot be used: {error}\nCompare shards/synthsync.yaml."
        ) from error
    return source
