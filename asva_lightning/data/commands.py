"""The commands ``shards build``, ``info``, ``lint`` and ``preview``."""

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asva_lightning.data.build import Layout, build, build_part
from asva_lightning.data.encoded_shards import EncodedShards
from asva_lightning.data.manifest import Dataset
from asva_lightning.data.media_folder import MediaFolder
from asva_lightning.data.media_table import USUAL_COLUMNS, Columns
from asva_lightning.data.mixture import BareShards, Mixture, open_shards
from asva_lightning.data.open_source import open_source
from asva_lightning.data.storage import size_of
from asva_lightning.errors import ConfigurationError
from asva_lightning.files import write_text
from asva_lightning.media import ClipFormat, Encoding

logger = logging.getLogger(__name__)


def build_shards(
    source: str,
    output: str,
    as_: Layout = "shards",
    workers: int = 2,
    samples_per_shard: int = 128,
    test_share: float = MediaFolder.test_share,
    minimum_seconds: float = MediaFolder.minimum_seconds,
    media: str | None = None,
    columns: Columns = USUAL_COLUMNS,
    height: int | None = None,
    width: int | None = None,
    gop: int = Encoding.gop,
    quality: int = Encoding.quality,
    sound_rate: int | None = ClipFormat.sample_rate,
    part: str | None = None,
) -> int:
    """Make shards from a folder of clips, a table of files, or a data set recipe such as shards/synthsync.yaml.

    Args:
        source: A folder with one subfolder a class (AVSync15's layout is understood), a table (.csv, .tsv, .parquet)
            with one clip a row, or a recipe (.yaml).
        output: The folder to make.
        as_: ``shards`` for WebDataset tars with a manifest, ``folder`` for plain files in AVSync15's layout.
        workers: Processes.
        samples_per_shard: Most samples in one shard.
        test_share: Share of clips kept for testing where no list says.
        minimum_seconds: Shorter clips are left out.
        media: The folder that the paths in a table start from, if it is not the table's own.
        columns: Names of the columns of a table.
        height: Encode clips again, as small as they can be while they still cover so many pixels; without it files are
            taken as they are.
        width: The width to cover; that of the height if not given.
        gop: When encoding again: a keyframe at least every so many frames.
        quality: When encoding again: constant rate factor of x264; less is better and larger.
        sound_rate: When encoding again: samples of sound a second; null keeps those of the source.
        part: Prepare only a share of the clips, such as 3/8 in the third of eight jobs. A last call without it puts
            the shares together.

    Returns:
        The exit code: 1 if clips had to be left out that should be there, or counts are not as a recipe expects.
    """
    made_of = open_source(source, test_share, minimum_seconds, media, columns)
    encoding = _encoding(height, width, gop, quality, sound_rate)
    if part is not None:
        share = build_part(made_of, output, _part(part), workers, encoding)
        sys.stdout.write(share.text + "\n")
        return share.exit_code
    report = build(made_of, output, as_, workers, samples_per_shard, encoding)
    sys.stdout.write(report.text + "\n")
    return report.exit_code


def _encoding(height: int | None, width: int | None, gop: int, quality: int, sound_rate: int | None) -> Encoding | None:
    if height is not None:
        return Encoding(height, width, gop, quality, sound_rate)
    if (width, gop, quality, sound_rate) != (None, Encoding.gop, Encoding.quality, ClipFormat.sample_rate):
        logger.warning("--width, --gop, --quality and --sound_rate have no effect without --height.")
    return None


def _part(words: str) -> tuple[int, int]:
    number, _, parts = words.partition("/")
    if not (number.isdecimal() and parts.isdecimal()):
        raise ConfigurationError(f"--part is {words!r}. Give the number of the part and of all parts, such as 3/8.")
    return int(number), int(parts)


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
    resized, cut elsewhere or cropped a little are found too. Latents are compared by how they sound only.

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


def preview_shards(
    shards: str, page: str, split: str = "train", clips_per_class: int = 3, height: int = 128, workers: int = 1
) -> int:
    """Write a page that shows some clips of each class: video with sound, and frames over the waveform.

    Args:
        shards: What ``data.shards`` of a recipe may be: a folder, or tars of one by a pattern.
        page: The HTML file to write. It holds everything in itself and opens from disk.
        split: The split to show.
        clips_per_class: Clips of each class, spread evenly over the split.
        height: Height of the videos in pixels.
        workers: Processes.

    Returns:
        The exit code: 1 if a clip could not be read, else 0.
    """
    from asva_lightning.data.preview import preview

    bad = preview(_with_media(shards), Path(page), split, clips_per_class, height, workers)
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


def _with_media(shards: str) -> Mixture:
    """Shards whose pictures can be looked at.

    Raises:
        ConfigurationError: If they have no manifest, or hold latents.
    """
    opened = with_manifest(shards)
    for dataset in opened.datasets:
        if EncodedShards.of(dataset) is not None:
            raise ConfigurationError(
                f"{dataset.folder} holds latents, which show no pictures. Give the shards that they were encoded from."
            )
    return opened


def _span(values: Sequence[float]) -> str:
    """The lowest and the highest value, or the one there is."""
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"
