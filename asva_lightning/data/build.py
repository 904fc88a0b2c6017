"""Building shards, or a plain folder, from a source of clips."""

import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from asva_lightning.data.manifest import DATASET_FILE, write_description
from asva_lightning.data.media_file import check_size
from asva_lightning.data.packing import pack_folder, pack_shards
from asva_lightning.data.sources import ClipItem, ClipSource, MadeClip, unmet
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.media import Encoding, probe, reencode
from asva_lightning.worklist import Outcome, work

logger = logging.getLogger(__name__)

Layout = Literal["shards", "folder"]
MOST_KEYS = 10
"""So many clips that were left out for the same reason are named on the terminal."""


@dataclass(frozen=True)
class BuildReport:
    """What was built and what was left out.

    Args:
        output: The folder that was made.
        counts: Clips by split.
        left_out: Key and reason of every clip that was left out.
        unmet: What is not as the source expects, a sentence each.
        expected_losses: Reasons for leaving a clip out that are no failure.
    """

    output: Path
    counts: dict[str, int]
    left_out: list[tuple[str, str]]
    unmet: list[str]
    expected_losses: frozenset[str] = frozenset()

    @property
    def exit_code(self) -> int:
        """1 if a clip is missing that should be there, or the counts are not as expected, else 0."""
        return 1 if self.unmet or _unexpected(self.left_out, self.expected_losses) else 0

    @property
    def text(self) -> str:
        """The report, for a terminal."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        lines = [f"{self.output}: {counts} clips, {len(self.left_out)} left out", *_by_reason(self.left_out)]
        return "\n".join([*lines, *(f"  {sentence}" for sentence in self.unmet)])


@dataclass(frozen=True)
class PartReport:
    """What a part of a build did.

    Args:
        output: The folder that will be made.
        part: Which part of how many.
        outcome: What became of its clips.
        expected_losses: Reasons for leaving a clip out that are no failure.
    """

    output: Path
    part: tuple[int, int]
    outcome: Outcome
    expected_losses: frozenset[str] = frozenset()

    @property
    def exit_code(self) -> int:
        """1 if a clip is missing that should be there, else 0."""
        return 1 if _unexpected(self.outcome.failures, self.expected_losses) else 0

    @property
    def text(self) -> str:
        """The report, for a terminal."""
        number, parts = self.part
        ready, left_out = len(self.outcome.results), self.outcome.failures
        lines = [
            f"part {number} of {parts} of {self.output}: {ready} clips ready, {len(left_out)} left out",
            *_by_reason(left_out),
            f"When all {parts} parts are done, start the same command once more without --part.",
        ]
        return "\n".join(lines)


def build(
    source: ClipSource,
    output: str | Path,
    layout: Layout = "shards",
    workers: int = 1,
    samples_per_shard: int = 128,
    encoding: Encoding | None = None,
) -> BuildReport:
    """Make a folder of shards, or of plain files, from a source of clips.

    Work goes on in ``<output>.partial``, and ``output`` appears at the end, complete; stopped and started again, it
    continues, while it makes clips and while it packs them. What :func:`build_part` has made is taken, and what failed
    is tried once more.

    Args:
        source: The clips.
        output: The folder to make.
        layout: ``shards`` for WebDataset tars with a manifest, ``folder`` for AVSync15's layout.
        workers: Processes.
        samples_per_shard: Most samples in one shard.
        encoding: How clips are encoded again; ``None`` takes files as they are, and encodes only what is cut out of
            longer ones.

    Raises:
        ShardsError: If the output exists, or no clip is good.
        ConfigurationError: If shards would hold nothing, or an unfinished build has other settings.
    """
    if samples_per_shard < 1:
        raise ConfigurationError(f"--samples_per_shard must be at least 1, not {samples_per_shard}.")
    output = _free(output)
    items = source.items()
    outcome = _make_all(source, items, output, workers, encoding, (1, 1))
    made = {key: MadeClip(**result) for key, result in outcome.results.items()}
    good = [item for item in items if item.key in made]
    unfinished = _unfinished(output)
    if not good:
        shutil.rmtree(unfinished)
        shown = "\n".join(_by_reason(outcome.failures))
        raise ShardsError(f"No clip of {len(items)} could be used, so nothing was written.\n{shown}")
    counts = dict(Counter(item.split for item in good))
    if layout == "shards":
        result = pack_shards(unfinished, good, made, samples_per_shard, workers, f"shards of {output}")
        write_description(result, _description(source, encoding, good, counts, outcome))
    else:
        result = pack_folder(unfinished, good, made, workers, f"files of {output}")
    result.rename(output)
    shutil.rmtree(unfinished)
    return BuildReport(output, counts, outcome.failures, unmet(source.expect, good), source.expected_losses)


def build_part(
    source: ClipSource,
    output: str | Path,
    part: tuple[int, int],
    workers: int = 1,
    encoding: Encoding | None = None,
) -> PartReport:
    """Prepare a share of the clips, for instance in one job of an array; :func:`build` puts the shares together.

    All parts need the same source, output and encoding, and a file system that they share.

    Args:
        source: The clips.
        output: The folder that will be made.
        part: ``(i, n)``: every n-th clip, beginning with the i-th (from 1).
        workers: Processes.
        encoding: See :func:`build`.

    Raises:
        ShardsError: If the output exists.
        ConfigurationError: If there is no such part, or an unfinished build has other settings.
    """
    output = _free(output)
    outcome = _make_all(source, source.items(), output, workers, encoding, part)
    return PartReport(output, part, outcome, source.expected_losses)


def _unexpected(left_out: Sequence[tuple[str, str]], expected_losses: frozenset[str]) -> bool:
    return any(reason not in expected_losses for _, reason in left_out)


def _free(output: str | Path) -> Path:
    """The path of an output that is not there yet."""
    if Path(output).exists():
        raise ShardsError(f"{output} exists. Delete it or choose another name; nothing was changed.")
    return Path(output)


def _make_all(
    source: ClipSource,
    items: Sequence[ClipItem],
    output: Path,
    workers: int,
    encoding: Encoding | None,
    part: tuple[int, int],
) -> Outcome:
    unfinished = _unfinished(output)
    (unfinished / "clips").mkdir(parents=True, exist_ok=True)
    return work(
        items,
        partial(_make, source, encoding, unfinished / "clips"),
        key=lambda item: item.key,
        title=f"clips for {output}",
        journal=unfinished / "journal.jsonl",
        workers=workers,
        part=part,
        settings=_made_from(source, encoding),
    )


def _unfinished(output: Path) -> Path:
    return output.absolute().with_name(f"{output.name}.partial")


def _make(source: ClipSource, encoding: Encoding | None, folder: Path, item: ClipItem) -> dict[str, Any]:
    try:
        clip = source.make(item, folder)
        if clip.cut is not None or encoding is not None:
            clip = _encoded(clip, encoding or Encoding(), folder, item)
        check_size(Path(clip.path))
        return asdict(clip)
    except MediaError as error:
        # The key names the clip already, and one reason for many clips is to be told once.
        raise ShardsError(error.reason) from error


def _encoded(clip: MadeClip, encoding: Encoding, folder: Path, item: ClipItem) -> MadeClip:
    target = folder / "encoded" / f"{item.key}.mp4"
    target.parent.mkdir(parents=True, exist_ok=True)
    reencode(clip.path, target, encoding, *(clip.cut or (0.0, None)))
    if Path(clip.path).is_relative_to(folder):
        Path(clip.path).unlink()  # the source made it for this alone
    info = probe(target)
    return MadeClip(str(target), info.seconds, info.fps, clip.extra)


def _made_from(source: ClipSource, encoding: Encoding | None) -> dict[str, Any]:
    return source.describe() | ({} if encoding is None else {"encoding": asdict(encoding)})


def _description(
    source: ClipSource, encoding: Encoding | None, items: Sequence[ClipItem], counts: dict[str, int], outcome: Outcome
) -> dict[str, Any]:
    return {
        "made_from": _made_from(source, encoding),
        "splits": counts,
        "texts": _texts(items),
        "left_out": [{"key": key, "reason": reason} for key, reason in outcome.failures],
    }


def _texts(items: Sequence[ClipItem]) -> dict[str, str]:
    """Class name to class text, of classes that have but one; with captions a class has many."""
    texts: dict[str, set[str]] = {}
    for item in items:
        texts.setdefault(item.category, set()).add(item.text)
    return {category: found.pop() for category, found in texts.items() if len(found) == 1}


def _by_reason(left_out: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each reason, with the first clips that were left out for it."""
    keys: dict[str, list[str]] = {}
    for key, reason in left_out:
        keys.setdefault(reason, []).append(key)
    return [f"  {_some(named)}: {reason}" for reason, named in keys.items()]


def _some(keys: Sequence[str]) -> str:
    more = len(keys) - MOST_KEYS
    shown = ", ".join(keys[:MOST_KEYS])
    return shown if more <= 0 else f"{shown} and {more} more, {len(keys)} in all"


def is_built(folder: str | Path) -> bool:
    """Whether a folder holds shards."""
    return (Path(folder) / DATASET_FILE).is_file()
