"""What the test of a sync classifier writes: the values of each video, and the accuracy over the tolerance."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.evaluation.evaluate import versions
from asva_lightning.evaluation.references import Reference, digest
from asva_lightning.evaluation.results import Results, markdown
from asva_lightning.media import ClipFormat
from asva_lightning.metrics.sync_accuracy import SyncAccuracyValues
from asva_lightning.metrics.sync_windows import ShiftedWindows

COLUMNS = ("tolerance", "audio_to_video", "video_to_audio", "chance")
"""What the curve has of each tolerance: seconds, the two accuracies, and that of guessing."""


@dataclass(frozen=True)
class JudgedVideo:
    """What the protocol says of one test video; see :class:`~asva_lightning.metrics.sync_accuracy.SyncedVideos`."""

    key: str
    text: str
    video: str
    audio_to_video: float
    video_to_audio: float
    offset: float


@dataclass
class SyncResults(Results):
    """Results with the accuracy over the tolerance.

    Args:
        curve: A row for every tolerance, by :data:`COLUMNS`; None where a score was no finite number.
    """

    curve: list[dict[str, float | None]] = field(default_factory=list)

    def table(self) -> str:
        """The scores, and below them the accuracy over the tolerance."""
        rows = [tuple("-" if row[name] is None else f"{row[name]:.3f}" for name in COLUMNS) for row in self.curve]
        return "\n".join([super().table(), "", *markdown([COLUMNS, *rows])])


def sync_results(
    judged: Sequence[JudgedVideo],
    values: SyncAccuracyValues,
    facts: dict[str, str | float],
    protocol: dict[str, Any],
) -> SyncResults:
    """Put the test videos of all ranks together.

    Args:
        judged: The videos.
        values: What the protocol says of all of them.
        facts: What else the numbers depend on.
        protocol: What must be equal before two results are compared, see :func:`protocol_of`.
    """
    of_videos = {
        "audio_to_video": {clip.key: clip.audio_to_video for clip in judged},
        "video_to_audio": {clip.key: clip.video_to_audio for clip in judged},
        "offset_seconds": {clip.key: clip.offset for clip in judged},
    }
    chance = {"chance": round(float(values.chance), 4), "chance offset": round(float(values.chance_offset), 4)}
    texts, videos = ({clip.key: getattr(clip, name) for clip in judged} for name in ("text", "video"))
    return SyncResults(
        of_videos, texts, {**chance, **facts}, videos, protocol=protocol, versions=versions(),
        curve=curve_rows(values.curve),
    )  # fmt: skip


def curve_rows(curve: Tensor) -> list[dict[str, float | None]]:
    """Rows of a curve ``(tolerances, 4)`` by name; None for nan, which JSON does not have."""
    return [
        {name: None if math.isnan(value) else round(value, 6) for name, value in zip(COLUMNS, row)}
        for row in curve.tolist()
    ]


def protocol_of(windows: ShiftedWindows, within: int, format: ClipFormat, picture: int, data: object) -> dict[str, Any]:
    """What must be equal before two tests are compared.

    Args:
        windows: The windows of a test clip.
        within: Places that still count as right.
        format: What the data gives.
        picture: Height and width of the classifier's frames.
        data: Knows the test clips, if it is this package's data module.
    """
    protocol = {"windows": asdict(windows), "right within places": within, "format": asdict(format), "picture": picture}
    if not isinstance(data, ClipDataModule):
        return protocol
    clips = data.fixed_clips("test")
    reference = digest([*map(Reference.of, clips.samples)])
    return {**protocol, "clips per reference": clips.clips_per_sample, "reference": reference}
