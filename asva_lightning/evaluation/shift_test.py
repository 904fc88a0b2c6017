"""The shift test: do measures of synchrony tell true sound from sound that is shifted, foreign, or run backwards?"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from asva_lightning.errors import ConfigurationError, MediaError, WorkFailed
from asva_lightning.evaluation.measures import PanelDescription
from asva_lightning.evaluation.references import Reference, digest
from asva_lightning.evaluation.results import SHOWN
from asva_lightning.evaluation.shift import shifted_window
from asva_lightning.evaluation.shift_report import ShiftReport
from asva_lightning.media import ClipFormat, read_clip, read_sound
from asva_lightning.metrics.clip import EvaluatedClip
from asva_lightning.worklist import work

SHIFTS = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Seconds by which the sound is heard late and early."""


@dataclass(frozen=True)
class Strained:
    """A true clip, and another one whose sound is laid under it.

    Args:
        reference: The clip.
        other: Where the foreign sound comes from.
    """

    reference: Reference
    other: Reference


@dataclass(frozen=True)
class ShiftJudge:
    """Judges the middle of one true clip under every condition; a value that other processes can call.

    Args:
        format: What a clip is.
        panel: The measures; those that do not look at the sound are passed over.
    """

    format: ClipFormat
    panel: PanelDescription

    def __call__(self, item: Strained) -> dict[str, Any]:
        """Judge a clip.

        Args:
            item: The clip.

        Returns:
            ``values``: measure to condition to value. Conditions are ``right``, ``+0.1`` (the sound is late) to ``-1``
            (early), ``other sound`` and ``reversed``; a shift for which the source has no sound is not there.

        Raises:
            MediaError: If the clip cannot be read, or is shorter than the format.
        """
        source, length = item.reference, self.format.seconds
        start = self._middle(source)
        clip = read_clip(source.open(), self.format, start)
        whole = read_sound(source.open(), self.format.sample_rate)
        right = EvaluatedClip(source.key, clip.pixels, clip.waveform, source.text, clip.pixels)
        clips = {"right": right, "other sound": right.with_sound(self._sound_of(item.other))}
        backwards = clip.pixels.flip(1)
        clips["reversed"] = EvaluatedClip(source.key, backwards, clip.waveform, source.text, clip.pixels)
        for shift in (sign * shift for shift in SHIFTS for sign in (1, -1)):
            sound = shifted_window(whole, self.format.sample_rate, start, length, shift)
            if sound is not None:
                clips[f"{shift:+g}"] = right.with_sound(sound)
        measures = self.panel.build().of_sound
        values = {
            name: {condition: measure.measure(strained, self.format) for condition, strained in clips.items()}
            for name, measure in measures.items()
        }
        return {"values": values, "text": source.text or source.category, "video": source.key}

    def _middle(self, reference: Reference) -> float:
        latest = reference.seconds - self.format.seconds
        if latest < -1e-6:
            raise MediaError(
                reference.key, f"lasts {latest + self.format.seconds:.2f} s, a clip {self.format.seconds:g} s."
            )
        return max(0.0, latest / 2)

    def _sound_of(self, other: Reference) -> Tensor:
        return read_sound(other.open(), self.format.sample_rate, self._middle(other), self.format.seconds)


def run_shift_test(references: Sequence[Reference], judge: ShiftJudge, output: Path, workers: int = 2) -> int:
    """Judge the middle of every true clip, and write the JSON file, a table (``.md``) and a plot (``.svg``).

    Args:
        references: The true clips.
        judge: Judges one.
        output: The JSON file.
        workers: Processes.

    Returns:
        The exit code: 1 if clips could not be judged, else 0.

    Raises:
        ConfigurationError: If no measure looks at the sound, or there is only one clip.
        WorkFailed: If not one clip could be judged.
    """
    journal = Path(f"{output}.journal.jsonl")
    report = judge_shifted(references, judge, journal, workers)
    report.write(output)
    journal.unlink(missing_ok=True)
    sys.stdout.write(report.text() + "\n")
    return 1 if report.excluded else 0


def judge_shifted(
    references: Sequence[Reference], judge: ShiftJudge, journal: Path | None = None, workers: int = 2
) -> ShiftReport:
    """Judge the middle of every true clip.

    The foreign sound of a clip is that of the clip half the list away, so of another class where the list goes class
    by class.

    Args:
        references: The true clips.
        judge: Judges one.
        journal: File of judged clips, so that an interrupted start goes on; it is left where it is, unless no clip
            could be judged.
        workers: Processes.

    Returns:
        The values and what they say.

    Raises:
        ConfigurationError: If no measure looks at the sound, or there is only one clip.
        WorkFailed: If not one clip could be judged.
    """
    panel = judge.panel.build()
    if not panel.of_sound:
        raise ConfigurationError("--shift_test needs a measure of synchrony, such as --measures onset_f1.")
    if len(references) < 2:
        raise ConfigurationError(
            "--shift_test needs two or more true clips, as it lays the sound of another under one."
        )
    away = len(references) // 2
    items = [Strained(one, references[(place + away) % len(references)]) for place, one in enumerate(references)]
    protocol = {
        "format": asdict(judge.format), "reference": digest(references), "shifts": list(SHIFTS),
        "measures": {name: judge.panel.described(name) for name in panel.of_sound}, "weights": panel.weights(),
        "legacy": {name: text for name, text in panel.legacy().items() if name in panel.of_sound},
    }  # fmt: skip
    outcome = work(
        items, judge, key=_key, title="shift test", journal=journal, workers=workers, settings=protocol,
        retry_failures=True,
    )  # fmt: skip
    if not outcome.results:
        if journal is not None:  # it would only refuse a start with the right settings
            journal.unlink(missing_ok=True)
        lines = [f"  {key}: {reason}" for key, reason in outcome.failures[:SHOWN]]
        raise WorkFailed("\n".join([f"Not one of {len(items)} clips could be judged:", *lines]))
    better = {name: measure.higher_is_better for name, measure in panel.of_sound.items()}
    return ShiftReport(outcome.results, dict(outcome.failures), protocol, better)


def _key(item: Strained) -> str:
    return item.reference.key
