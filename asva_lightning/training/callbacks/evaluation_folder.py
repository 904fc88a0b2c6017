"""Which clips belong into the folder of an evaluation, and which of them are there already."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asva_lightning.data.batch import ClipSample
from asva_lightning.data.clips import FixedClips
from asva_lightning.data.manifest import SampleRecord
from asva_lightning.diffusion import Guidance, Pair, Sampling
from asva_lightning.diffusion.finite import NOT_FINITE
from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.evaluate import forget_judged
from asva_lightning.evaluation.pairing import Pairing, Pairings
from asva_lightning.evaluation.references import Reference
from asva_lightning.files import write_text


@dataclass(frozen=True)
class PlannedClip:
    """A clip that is to be animated.

    Args:
        sample: The video that it is cut from.
        number: Which of the clips of that video, from 0.
        count: How many clips that video gives.
        position: Its place among all test clips, which picks its noise.
    """

    sample: SampleRecord
    number: int
    count: int
    position: int

    @property
    def key(self) -> str:
        """Name of its file, without a suffix; ``evaluate`` understands it."""
        return f"{self.sample.key}_clip-{self.number:02d}"

    def pair(self, clip: ClipSample) -> Pair:
        """Its first frame and its sound."""
        return Pair(self.key, clip.pixels[:, 0], clip.waveform, clip.text, self.position)


@dataclass(frozen=True)
class EvaluationFolder:
    """The clips of one guidance scale, and where they are.

    Args:
        folder: Where the files and the results are.
        sampling: How they are drawn.
        guidance: How strongly text and sound are followed.
        about: What else the files depend on.
        clips: What is to be in the folder.
    """

    folder: Path
    sampling: Sampling
    guidance: Guidance
    about: Mapping[str, Any]
    clips: Sequence[PlannedClip]

    @property
    def results(self) -> Path:
        """The file of results."""
        return self.folder / "results.json"

    @property
    def references(self) -> list[Reference]:
        """The true videos."""
        samples = {clip.sample.key: clip.sample for clip in self.clips}
        return [Reference.of(sample) for sample in samples.values()]

    def facts(self, clip: PlannedClip) -> dict[str, Any]:
        """What the JSON file beside a clip says if it is the clip that is asked for."""
        return {
            **self.about,
            "guidance": asdict(self.guidance),
            "number": clip.position,
            "clip": f"{clip.number} of {clip.count}",
            "source": clip.sample.sha256,
        }

    def file(self, clip: PlannedClip) -> Path:
        """Path of the video of a clip."""
        return self.folder / f"{clip.key}.mp4"

    def write_not_finite(self, clip: PlannedClip) -> None:
        """Note of a clip that its sample is no video, so that there is none and it is not sampled for ever."""
        self.forget(clip)
        path = self.file(clip)
        path.unlink(missing_ok=True)
        facts = {"key": clip.key, **self.facts(clip), "finite": False}
        write_text(path.with_suffix(".json"), json.dumps(facts, indent=1, ensure_ascii=False) + "\n")

    def not_finite(self) -> dict[str, str]:
        """The clips whose samples are no videos, with the reason. Without its JSON file one is sampled again."""
        done = {clip.key: self._written(clip) for clip in self.clips if self._is_done(clip)}
        return {key: f"{NOT_FINITE}." for key, written in done.items() if not written.get("finite", True)}

    def undone(self) -> list[PlannedClip]:
        """The clips that are not there, or were made otherwise."""
        return [clip for clip in self.clips if not self._is_done(clip)]

    def forget(self, clip: PlannedClip) -> None:
        """Remove what will no longer be true when a clip is made anew.

        Without its JSON file a clip does not count as made, so no old file can pass for a new one if this is
        interrupted.
        """
        self.file(clip).with_suffix(".json").unlink(missing_ok=True)
        self.results.unlink(missing_ok=True)
        forget_judged(self.results)

    def pairings(self) -> Pairings:
        """The files with their truths; what could not be read, and so has no file, is missing."""
        truths = {reference.key: reference for reference in self.references}
        undone = {clip.key for clip in self.undone()}
        without = undone | self.not_finite().keys()
        pairs = [
            Pairing(str(self.file(clip)), truths[clip.sample.key], number=clip.number)
            for clip in self.clips
            if clip.key not in without
        ]
        return Pairings(pairs, sorted(undone), [])

    def _is_done(self, clip: PlannedClip) -> bool:
        written = self._written(clip)
        asked = json.loads(json.dumps(self.facts(clip)))
        there = self.file(clip).is_file() or not written.get("finite", True)
        return there and asked.items() <= written.items()

    def _written(self, clip: PlannedClip) -> dict[str, Any]:
        """What the JSON file of a clip says; nothing where there is none."""
        try:
            written = json.loads(self.file(clip).with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return written if isinstance(written, dict) else {}


def planned(clips: FixedClips, videos: int | None = None) -> list[PlannedClip]:
    """The clips to animate.

    Args:
        clips: All test clips.
        videos: How many videos to take, spread evenly over all; all if not given.

    Returns:
        Every clip of these videos.

    Raises:
        ConfigurationError: If two videos have the same key, and so would have the same files.
    """
    total, count = len(clips.samples), clips.clips_per_sample
    taken = total if videos is None else min(videos, total)
    places = [turn * total // taken for turn in range(taken)]
    keys = [clips.samples[place].key for place in places]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigurationError(
            f"Two test videos are called {twice[0]!r}, so their files would be one. Evaluate one data set at a time: "
            "set --data.evaluation_shards to it."
        )
    return [
        PlannedClip(clips.samples[place], number, count, place * count + number)
        for place in places
        for number in range(count)
    ]


def checkpoint_digest(checkpoint: Path) -> str:
    """A hash of what a checkpoint holds, wherever it lies, without reading all of it.

    torch writes zip archives, whose directory has a checksum of every member.

    Args:
        checkpoint: A file, or a folder of such files, as DeepSpeed writes it.

    Returns:
        Twelve hexadecimal digits; those of its name where it is neither.
    """
    files = [checkpoint] if checkpoint.is_file() else sorted(checkpoint.rglob("*.pt"))
    files = [file for file in files if zipfile.is_zipfile(file)]
    digest = hashlib.sha256(b"" if files else str(checkpoint).encode())
    for file in files:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                # The first folder of each name is that of the file when it was written.
                digest.update(f"{member.filename.partition('/')[2]} {member.CRC} {member.file_size}\n".encode())
    return digest.hexdigest()[:12]
