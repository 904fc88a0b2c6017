"""evaluate(): the clips of any system to results, in parallel and resumable."""

import hashlib
import logging
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av

import asva_lightning
from asva_lightning.errors import ConfigurationError, WorkFailed
from asva_lightning.evaluation.bootstrap import RESAMPLES, Score
from asva_lightning.evaluation.judging import PairJudge, read_features
from asva_lightning.evaluation.pairing import Pairing, Pairings
from asva_lightning.evaluation.results import SHOWN, Results
from asva_lightning.evaluation.set_score import set_score
from asva_lightning.metrics.set_measure import SetMeasure
from asva_lightning.worklist import Outcome, work

logger = logging.getLogger(__name__)

MADE = {"guidance": "guidance", "seed": "seed", "step": "step", "steps": "sampling steps", "weights": "weights"}
"""What heads the table of what the JSON files beside the clips say, and what it is called there."""

ALIKE = ("guidance", "step", "steps", "scheduler", "weights", "checkpoint")
"""What all clips of one system have in common; they may well differ in their seeds."""

DIFFERS = "differs between clips"

LIBRARIES = ("torch", "torchmetrics", "numpy", "scipy", "av", "soxr", "opencv-python-headless", "transformers")


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated and how.

    Args:
        pairings: Generated files and their truths.
        judge: Judges one clip.
        digest: Hash of the true clips.
        split: Which split of the true clips.
        set_resamples: Draws of the bootstrap of a distance between sets.
        excluded: Clips that are known not to be worth judging, and why; they have no file.
        identity: Hash of which files there are, where one process has asked for all; asked for if not given.
    """

    pairings: Pairings
    judge: PairJudge
    digest: str
    split: str
    set_resamples: int = 20
    excluded: Mapping[str, str] = field(default_factory=dict)
    identity: str | None = None

    @property
    def draws(self) -> dict[str, int]:
        """How the intervals of measures of sets are drawn; nothing where there are none."""
        return {"draws of sets": self.set_resamples} if self.judge.panel.build().of_sets else {}

    @property
    def protocol(self) -> dict[str, Any]:
        """What must be equal before two results are compared."""
        panel = self.judge.panel.build()
        weights = panel.weights()
        return {
            "format": asdict(self.judge.format),
            "sound": self.judge.sound,
            "split": self.split,
            "clips per reference": self.judge.clips_per_reference,
            "reference": self.digest,
            "measures": {
                name: {"described": self.judge.panel.described(name), "weights": weights.get(name, "")}
                for name in [*panel.of_clips, *panel.of_sets]
            },
        }


@dataclass(frozen=True)
class _Judging:
    """The judge, but a mistake in the settings ends the work: it would be counted as the fault of every clip."""

    judge: PairJudge

    def __call__(self, pair: Pairing) -> dict[str, Any]:
        try:
            return self.judge(pair)
        except ConfigurationError as error:
            raise _Misconfigured(f"{pair.key}: {error}") from error


class _Misconfigured(Exception):
    """No error of this package, so that the loop over clips does not go on."""


def evaluate(evaluation: Evaluation, output: Path, workers: int = 2, retry_failures: bool = True) -> Results:
    """Judge every pair and write ``output``, with a Markdown table beside it.

    A journal and the features of measures of sets lie beside the output until it is written, so that a second start
    goes on where the first stopped.

    Args:
        evaluation: What and how.
        output: The JSON file to write.
        workers: Processes.
        retry_failures: Whether clips that could not be judged before are tried again.

    Returns:
        The results; clips that could not be judged are in ``excluded``.

    Raises:
        ConfigurationError: If a journal of other settings is in the way, or a measure cannot judge such clips.
        WorkFailed: If not one clip could be judged.
    """
    protocol, folder = evaluation.protocol, features_folder(output)
    outcome = judge_part(evaluation, output, workers=workers, retry_failures=retry_failures)
    if not outcome.results:
        forget_judged(output)  # nothing is lost, and a start with the right settings is not refused for its sake
        faults = [*outcome.failures, *evaluation.excluded.items()]
        lines = [f"  {key}: {reason}" for key, reason in faults[:SHOWN]]
        raise WorkFailed("\n".join([f"Not one of {len(faults)} clips could be judged:", *lines]))
    results = _results(evaluation, protocol, outcome)
    for name, measure in evaluation.judge.panel.build().of_sets.items():
        results.sets[name], results.set_draws[name] = _set_scores(
            name, measure, results, folder, evaluation.set_resamples
        )
    results.write(output)
    forget_judged(output)
    return results


def judge_part(
    evaluation: Evaluation,
    output: Path,
    part: tuple[int, int] = (1, 1),
    workers: int = 2,
    retry_failures: bool = True,
) -> Outcome:
    """Judge a share of the pairs, in one of several processes; :func:`evaluate` then takes what all have judged.

    Args:
        evaluation: What and how.
        output: The JSON file that will be written; what is judged is kept beside it.
        part: ``(i, n)``: every n-th pair, beginning with the i-th (from 1).
        workers: Processes.
        retry_failures: Whether clips that could not be judged before are tried again.

    Returns:
        What became of this share, and of all that was judged before.

    Raises:
        ConfigurationError: If a journal of other settings is in the way, or a measure cannot judge such clips.
    """
    pairs = evaluation.pairings.pairs
    settings = {"generated": evaluation.identity or identity_of(pairs), **evaluation.protocol}
    try:
        return work(
            pairs, _Judging(evaluation.judge), key=_key, title="evaluate", journal=_journal(output), workers=workers,
            part=part, settings=settings, retry_failures=retry_failures,
        )  # fmt: skip
    except _Misconfigured as error:
        raise ConfigurationError(str(error)) from error


def forget_judged(output: Path) -> None:
    """Remove what is judged and not yet written as results, of all parts."""
    journal = _journal(output)
    for file in output.parent.glob(f"{journal.stem}*{journal.suffix}"):
        file.unlink(missing_ok=True)
    shutil.rmtree(features_folder(output), ignore_errors=True)


def _journal(output: Path) -> Path:
    return Path(f"{output}.journal.jsonl")


def features_folder(output: Path) -> Path:
    """Where features lie until the results are written."""
    return Path(f"{output}.features")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {name: version(name) for name in LIBRARIES}
    decoder = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {
        "asva-lightning": asva_lightning.__version__,
        "python": platform.python_version(),
        **found,
        **{f"decoder {name}": decoder[name] for name in ("libavcodec", "libavformat", "libswscale") if name in decoder},
    }


def _key(pair: Pairing) -> str:
    return pair.key


def identity_of(pairs: Sequence[Pairing]) -> str:
    """A hash of which files there are; one that was made anew under its old name is another one."""
    files = [(pair.key, Path(pair.path).stat()) for pair in pairs]
    lines = [f"{key} {status.st_size} {status.st_mtime_ns}" for key, status in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _results(evaluation: Evaluation, protocol: Mapping[str, Any], outcome: Outcome) -> Results:
    done, judge = outcome.results, evaluation.judge
    results = Results(
        values={name: {key: one["values"][name] for key, one in done.items()} for name in judge.panel.build().of_clips},
        texts={key: one["text"] for key, one in done.items()},
        videos={key: one["video"] for key, one in done.items()},
        excluded={**evaluation.excluded, **dict(outcome.failures)},
        missing=evaluation.pairings.missing,
        extra=evaluation.pairings.extra,
        protocol=dict(protocol),
        clip_facts={key: one["made"] for key, one in done.items() if one["made"]},
        versions=versions(),
    )
    results.facts = _facts(evaluation, protocol, results)
    return results


def _facts(evaluation: Evaluation, protocol: Mapping[str, Any], results: Results) -> dict[str, str | float]:
    """What heads the table. A mixture of clips that were made in several ways is no system, so there is a warning."""
    judge = evaluation.judge
    weights = {name: about["weights"] for name, about in protocol["measures"].items() if about["weights"]}
    told = {name for made in results.clip_facts.values() for name in made} | {"guidance", "seed"}
    mixed = [MADE.get(name, name) for name in ALIKE if _common(results, name) == DIFFERS]
    if mixed:
        logger.warning(
            "These clips are no one system: by the JSON files beside them they differ in %s (or some do not say).",
            ", ".join(mixed),
        )
    facts: dict[str, str | float] = {
        "clips": len(results.texts),
        "videos": len(set(results.videos.values())),
        "frames": judge.format.frames,
        "fps": judge.format.fps,
        "size": f"{judge.format.height}x{judge.format.width}",
        "sound": judge.sound,
        **{title: _common(results, name) for name, title in MADE.items() if name in told},
        "bootstrap": f"{RESAMPLES} draws of videos (seed 0)",
        **evaluation.draws,
        "reference": evaluation.digest[:12],
        **{f"weights of {name}": digest[:12] for name, digest in weights.items()},
    }
    if judge.legacy:
        facts["legacy"] = "; ".join(f"{name}: {text}" for name, text in judge.legacy.items())
    return facts


def _common(results: Results, name: str) -> str:
    """What the clips say of how they were made, where they say it."""
    known = {str(facts[name]): facts[name] for facts in results.clip_facts.values() if name in facts}
    if not known:
        return "not known"
    if len(known) > 1 or any(name not in results.clip_facts.get(key, {}) for key in results.texts):
        return DIFFERS
    (value,) = known.values()
    return " ".join(f"{part} {weight}" for part, weight in value.items()) if isinstance(value, dict) else str(value)


def _set_scores(
    name: str, measure: SetMeasure, results: Results, folder: Path, resamples: int
) -> tuple[dict[str, Score], list[float]]:
    """The distances of all clips and of each class, and those of the draws of all."""
    features = {key: read_features(folder, key) for key in results.texts}
    sets = {key: (found[f"{name} generated"], found[f"{name} reference"]) for key, found in features.items()}
    of_all, draws = set_score(name, measure, sets, results.videos, resamples)
    scores = {"all": of_all}
    if len(results.classes) > 1:
        for text in results.classes:
            of_class = {key: sets[key] for key in sets if results.texts[key] == text}
            scores[f"class {text}"], _ = set_score(name, measure, of_class, results.videos, resamples=0)
    return scores, draws
