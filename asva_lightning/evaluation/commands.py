"""The commands ``evaluate`` and ``report``."""

import logging
import sys
from pathlib import Path
from typing import Any, Literal

from asva_lightning.errors import ConfigurationError
from asva_lightning.files import write_text
from asva_lightning.media.format import ClipFormat

logger = logging.getLogger(__name__)

METHOD = ClipFormat()
"""What clips are if nothing is said: those of the method at full size."""

CLIPS_PER_REFERENCE = 3
"""The original cuts so many clips of each true one."""

SET_RESAMPLES = 20
"""Draws of the bootstrap of a distance between sets."""


def evaluate_clips(
    reference: str,
    generated: str | None = None,
    measures: list[str] | None = None,
    judges: dict[str, dict] | None = None,  # type: ignore[type-arg]  # jsonargparse makes what is in an Any
    format: ClipFormat = METHOD,
    output: str = "results.json",
    split: str = "test",
    clips_per_reference: int = CLIPS_PER_REFERENCE,
    sound: Literal["generated", "reference", "scrambled"] = "generated",
    allow_partial: bool = False,
    workers: int = 2,
    set_resamples: int = SET_RESAMPLES,
    shift_test: bool = False,
) -> int:
    """Score the clips of any system against true ones, or test the measures themselves.

    Args:
        reference: True clips: a folder of media files (AVSync15's layout is understood), or shards.
        generated: A folder of mp4 files, each called as its true clip, or ``<name>_clip-NN``.
        measures: Measures that need no weights, by name; all if not given. ``[]`` for none.
        judges: Further measures: name to ``class_path`` and ``init_args``, in a YAML file given by ``--config``.
        format: What a generated clip is; true ones are read so.
        output: JSON file for the results. A table lies beside it (``.md``), and for the shift test a plot (``.svg``).
        split: Which true clips.
        clips_per_reference: How many clips are spread over each true one, where names end in ``_clip-NN``. The
            shift test takes the middle of each.
        sound: Whose sound is judged: that of the generated file, that of the true clip, or the latter scrambled as the
            original read it, for numbers beside published ones.
        allow_partial: Go on although files are missing or belong to no true clip; the report then says so.
        workers: Processes. The journal lets an interrupted start be continued by the same words.
        set_resamples: Draws of the bootstrap of a distance between sets; each takes the distance anew. With 0 or 1
            there is no interval.
        shift_test: Do the measures of synchrony tell true sound from shifted? Needs no generated clips.

    Returns:
        The exit code: 1 if clips had to be left out, else 0.
    """
    from asva_lightning.evaluation.blank_clip import check_measures
    from asva_lightning.evaluation.measures import PanelDescription
    from asva_lightning.evaluation.references import open_references

    target = _json_file(output)
    if clips_per_reference < 1:
        raise ConfigurationError(f"--clips_per_reference must be 1 or more, not {clips_per_reference}.")
    if set_resamples < 0:
        raise ConfigurationError(f"--set_resamples must be 0 or more, not {set_resamples}; below 2 draw no interval.")
    if shift_test:
        _check_shift_test(generated, sound, allow_partial, clips_per_reference, set_resamples)
    panel = PanelDescription.of(measures, judges)
    panel.build()
    references = open_references(reference, split)
    if shift_test:
        from asva_lightning.evaluation.shift_test import ShiftJudge, run_shift_test

        check_measures(panel.build().of_sound, format, text=references[0].text)
        return run_shift_test(references, ShiftJudge(format, panel), target, workers)
    return _evaluate(
        references, reference, generated, target, split, allow_partial, workers, set_resamples,
        panel=panel, format=format, sound=sound, clips_per_reference=clips_per_reference,
    )  # fmt: skip


def compare_results(first: str, second: str, output: str | None = None) -> None:
    """Compare two results of ``evaluate`` clip by clip: differences, intervals and p-values.

    Args:
        first: A results.json.
        second: Another of the same clips and protocol.
        output: Markdown file for the table, which is printed in any case.

    Raises:
        ConfigurationError: If they cannot be compared, or the output is one of them.
    """
    from asva_lightning.evaluation.compare import table
    from asva_lightning.evaluation.results import Results

    if output is not None and Path(output).resolve() in {Path(first).resolve(), Path(second).resolve()}:
        raise ConfigurationError(
            f"--output {output} is one of the two results, which the table would replace. Give a "
            "Markdown file, such as report.md."
        )
    names = (first, second) if Path(first).stem == Path(second).stem else (Path(first).stem, Path(second).stem)
    text = table(Results.read(first), Results.read(second), names)
    sys.stdout.write(text + "\n")
    if output is not None:
        write_text(Path(output), text + "\n")


def _evaluate(
    references: Any, reference: str, generated: str | None, output: Path, split: str, allow_partial: bool,
    workers: int, set_resamples: int, **settings: Any,
) -> int:  # fmt: skip
    from asva_lightning.evaluation.blank_clip import check_measures
    from asva_lightning.evaluation.evaluate import Evaluation, evaluate, features_folder
    from asva_lightning.evaluation.judging import PairJudge
    from asva_lightning.evaluation.pairing import pair
    from asva_lightning.evaluation.references import digest

    if generated is None:
        raise ConfigurationError("There is nothing to score. Give --generated FOLDER, or --shift_test.")
    pairings = pair(generated, references, settings["clips_per_reference"])
    pairings.check(generated, reference, allow_partial)
    panel = settings["panel"].build()
    check_measures(panel.of_clips, settings["format"], panel.of_sets, pairings.pairs[0].reference.text)
    features = str(features_folder(output)) if panel.of_sets else None
    judge = PairJudge(**settings, features=features)
    results = evaluate(Evaluation(pairings, judge, digest(references), split, set_resamples), output, workers)
    write_text(output.with_suffix(".md"), results.table() + "\n")
    sys.stdout.write(results.table() + "\n")
    logger.info("written to %s and %s", output, output.with_suffix(".md"))
    return 1 if results.excluded else 0


def _check_shift_test(
    generated: str | None, sound: str, allow_partial: bool, clips_per_reference: int, set_resamples: int
) -> None:
    """Refuse what the shift test would pass over in silence.

    Raises:
        ConfigurationError: If an option of it is not at its default.
    """
    given = {
        "--generated": generated is not None,
        "--sound": sound != "generated",
        "--allow_partial": allow_partial,
        "--clips_per_reference": clips_per_reference != CLIPS_PER_REFERENCE,
        "--set_resamples": set_resamples != SET_RESAMPLES,
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise ConfigurationError(f"--shift_test judges true clips with their own sound; leave {', '.join(names)} out.")


def _json_file(output: str) -> Path:
    if Path(output).suffix != ".json":
        raise ConfigurationError(f"--output {output} must end in .json, the kind of file that is written.")
    if Path(output).is_dir():
        raise ConfigurationError(f"--output {output} is a folder. Give a file in it, such as {output}/results.json.")
    return Path(output)
