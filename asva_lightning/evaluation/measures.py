"""The measures of an evaluation: those that need no weights by short names, others as parts that YAML describes."""

import hashlib
import json
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from asva_lightning.errors import ConfigurationError
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
        both: dict[str, Any] = {**self.of_clips, **self.of_sets}
        return {name: found for name, measure in both.items() if (found := _weights_digest(measure))}


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
        return cls(tuple(names), json.dumps(judges or {}, sort_keys=True, default=str))

    def described(self, name: str) -> Any:
        """What a measure is: its class and arguments, or its short name."""
        return json.loads(self.judges).get(name, name)

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
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--judges", type=dict[str, Measure | SetMeasure])
    try:
        made: dict[str, Any] = parser.instantiate_classes(parser.parse_object({"judges": dict(described)})).judges
    except (ArgumentError, TypeError) as error:
        raise ConfigurationError(
            f"The measures below `judges` cannot be made: {error}\nEach is a name with class_path and init_args, and "
            "its class has measure(clip, format), or features(pixels, format) and distance(generated, reference). See "
            "docs/evaluate.md."
        ) from error
    return made


def _weights_digest(measure: Any) -> str:
    """SHA-256 over all tensors of a measure's networks; empty where it has none."""
    digest, found = hashlib.sha256(), False
    for network in _networks(measure):
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
            found = True
    return digest.hexdigest() if found else ""


def _networks(measure: Any) -> Iterator[nn.Module]:
    if isinstance(measure, nn.Module):
        yield measure
    for value in vars(measure).values():
        held = getattr(value, "network", value)  # frozen networks are held by something that is no module
        if isinstance(held, nn.Module):
            yield held
