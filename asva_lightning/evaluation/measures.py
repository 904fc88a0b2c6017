"""The measures of an evaluation: those that need no weights by short names, others as parts that YAML describes."""

import inspect
import json
import pkgutil
from argparse import ArgumentError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError, refusal_behind
from asva_lightning.evaluation.networks import parts, weights_digest
from asva_lightning.evaluation.score import Measure
from asva_lightning.metrics.av_align import AVAlign
from asva_lightning.metrics.mean_over_clips import SyncMetric
from asva_lightning.metrics.motion_correlation import MotionCorrelation
from asva_lightning.metrics.motion_energy_ratio import MotionEnergyRatio
from asva_lightning.metrics.onset_f1 import OnsetF1
from asva_lightning.metrics.onset_motion_correlation import OnsetMotionCorrelation
from asva_lightning.metrics.psnr import PSNR
from asva_lightning.metrics.set_measure import SetMeasure
from asva_lightning.metrics.ssim import SSIM

WEIGHT_FREE: Mapping[str, Callable[[], Measure]] = {
    "onset_f1": OnsetF1,
    "onset_motion_correlation": OnsetMotionCorrelation,
    "av_align": AVAlign,
    "motion_correlation": MotionCorrelation,
    "motion_energy_ratio": MotionEnergyRatio,
    "psnr": PSNR,
    "ssim": SSIM,
}
"""What ``--measures`` names. All others are given by ``class_path``, so that this table need not grow."""


@dataclass(frozen=True)
class Panel:
    """Measures that are ready to judge.

    Args:
        of_clips: Those that judge one clip.
        of_sets: Those that judge a set of clips against another.
    """

    of_clips: Mapping[str, Measure]
    of_sets: Mapping[str, SetMeasure]

    @property
    def of_sound(self) -> dict[str, Measure]:
        """Those of the clips that may depend on the sound: measures of synchrony, and all that YAML describes."""
        return {
            name: measure
            for name, measure in self.of_clips.items()
            if isinstance(measure, SyncMetric) or name not in WEIGHT_FREE
        }

    def weights(self) -> dict[str, str]:
        """SHA-256 of the judging weights of each measure that has some."""
        return dict(self._weights)

    def legacy(self) -> dict[str, str]:
        """What each measure does as the original's evaluation did by mistake, of those that do; a report prints it."""
        texts = {
            name: dict.fromkeys(
                text for part in parts(measure) if isinstance(text := getattr(part, "legacy", None), str)
            )
            for name, measure in self._all.items()
        }
        return {name: "; ".join(found) for name, found in texts.items() if found}

    @property
    def needing_true_sound(self) -> list[str]:
        """Names of the measures that make the sound of a generated file from that of the true clip."""
        return [
            name
            for name, measure in self._all.items()
            if any(getattr(part, "needs_true_sound", False) is True for part in parts(measure))
        ]

    @property
    def _all(self) -> dict[str, Any]:
        return {**self.of_clips, **self.of_sets}

    @cached_property
    def _weights(self) -> dict[str, str]:
        return {name: found for name, measure in self._all.items() if (found := weights_digest(measure))}


@dataclass(frozen=True)
class PanelDescription:
    """What a panel is made of: a value that goes into other processes and into a journal.

    Args:
        names: Short names of measures.
        judges: Name to ``class_path`` and ``init_args``, as JSON.
    """

    names: tuple[str, ...]
    judges: str = "{}"

    @classmethod
    def of(cls, names: Sequence[str] | None, judges: Mapping[str, Any] | None = None) -> "PanelDescription":
        """Describe the measures that a user asks for.

        Args:
            names: Short names; all if not given.
            judges: Name to ``class_path`` and ``init_args``.

        Raises:
            ConfigurationError: If a name is unknown or given twice, or nothing is asked for.
        """
        names = list(WEIGHT_FREE) if names is None else list(names)
        unknown = [name for name in names if name not in WEIGHT_FREE]
        if unknown:
            raise ConfigurationError(
                f"--measures does not know {', '.join(unknown)}. Choose of {', '.join(WEIGHT_FREE)}; name any other by "
                "class_path below `judges` in a YAML file (docs/evaluate.md)."
            )
        both = [*names, *(judges or {})]
        twice = sorted({name for name in both if both.count(name) > 1})
        if twice:
            raise ConfigurationError(f"Two measures are called {', '.join(twice)}. Rename the one below `judges`.")
        if not both:
            raise ConfigurationError(f"There is no measure. Name some of {', '.join(WEIGHT_FREE)} in --measures.")
        return cls(tuple(names), json.dumps(judges or {}, sort_keys=True, default=_plain))

    def described(self, name: str) -> Any:
        """What a measure is: its class and arguments, or its short name.

        Where the hash of its weights is known, the names of files are left out: the same weights may lie elsewhere.
        """
        described = json.loads(self.judges).get(name, name)
        return _without_paths(described) if name in self.build().weights() else described

    def build(self) -> Panel:
        """Make the measures; once in a process, as judging networks are large.

        Raises:
            ConfigurationError: If a description fits no class.
        """
        return _build(self)


@lru_cache(maxsize=1)
def _build(description: PanelDescription) -> Panel:
    of_clips: dict[str, Measure] = {name: WEIGHT_FREE[name]() for name in description.names}
    of_sets: dict[str, SetMeasure] = {}
    for name, judge in _judges(json.loads(description.judges)).items():
        # A part may offer both; then it judges single clips, which tells more.
        if hasattr(judge, "measure"):
            of_clips[name] = judge
        else:
            of_sets[name] = judge
    return Panel(of_clips, of_sets)


def _judges(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _judge(name, judge) for name, judge in described.items()}


def _judge(name: str, described: Any) -> Any:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--judge", type=_protocol_of(described))
    try:
        return parser.instantiate_classes(parser.parse_object({"judge": described})).judge
    except (ArgumentError, TypeError, ValueError) as error:
        raise refusal_behind(error) or ConfigurationError(
            f"The measure {name} below `judges` cannot be made: {error}\nEach is a name with class_path and init_args. "
            "Its class has higher_is_better and measure(clip: EvaluatedClip, format: ClipFormat) -> float; or "
            "features(pixels: Tensor, format: ClipFormat) -> Tensor and distance(generated: Tensor, reference: Tensor) "
            "-> float, with these types written down. See docs/evaluate.md."
        ) from error


def _protocol_of(described: Any) -> Any:
    """What a described part must be. Where the class tells, the parser's errors are of this one alone."""
    path = described.get("class_path") if isinstance(described, Mapping) else described
    try:
        maker = pkgutil.resolve_name(str(path))
    except (ValueError, ImportError, AttributeError):  # the parser then says what is wrong
        maker = None
    if not inspect.isclass(maker):
        return Measure | SetMeasure
    return Measure if hasattr(maker, "measure") else SetMeasure


def _plain(value: Any) -> Any:
    """What JSON can hold of a value: jsonargparse gives the description of a part inside a part as a namespace."""
    return value.as_dict() if hasattr(value, "as_dict") else str(value)


def _without_paths(described: Any) -> Any:
    """A description without the names of files and folders; hashes tell what these hold."""
    if isinstance(described, dict):
        return {name: _without_paths(value) for name, value in described.items() if not _is_path(value)}
    if isinstance(described, list):
        return [_without_paths(value) for value in described if not _is_path(value)]
    return described


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value != "" and Path(value).expanduser().exists()
