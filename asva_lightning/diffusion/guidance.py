"""Classifier-free guidance by text, by sound, and by the audio layers."""

import logging
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from asva_lightning.denoiser import Anatomy
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.errors import ConfigurationError

logger = logging.getLogger(__name__)


class Pass(NamedTuple):
    """One evaluation of the network: with or without text; with sound, without, or with the audio layers skipped."""

    text: bool
    audio: bool
    skip_audio: bool = False


@dataclass(frozen=True)
class Guidance:
    """How strongly the sample is pushed towards text and sound.

    With ``e(text, audio)`` the prediction, ``s_T`` and ``s_A`` the scales of text and audio, and ``w`` that of sync::

        e(none, none) + s_T (e(text, none) - e(none, none)) + s_A (e(text, audio) - e(text, none))
            + w (e(text, audio) - e(text, audio layers skipped))

    Two special cases, as in the original: with ``s_A <= 1 < s_T`` the first line is
    ``e(none, audio) + s_T (e(text, audio) - e(none, audio))``, and with both at most 1 it is ``e(text, audio)``.
    A text scale below 1 counts as 1. The second line is audio sync guidance (Syncphony).

    Args:
        audio: ``s_A``; 1 switches it off.
        text: ``s_T``; 1 switches it off.
        sync: ``w``; 0 switches it off.

    Raises:
        ConfigurationError: If a scale is negative, infinite or no number.
    """

    audio: float = 4.0
    text: float = 1.0
    sync: float = 0.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            scale = getattr(self, name)
            if scale < 0:
                raise ConfigurationError(f"Guidance by {name} cannot be negative, but is {scale}.")
            if not math.isfinite(scale):
                raise ConfigurationError(f"Guidance by {name} must be a finite number, not {scale}.")

    def weights(self, with_audio: bool = True, with_text: bool = True) -> dict[Pass, float]:
        """The passes that are needed and the weight of each; the weights sum to 1.

        Args:
            with_audio: False where the conditions hold no sound, or the network does not hear, so that there is
                nothing to guide by.
            with_text: False where the network does not read.
        """
        weights: defaultdict[Pass, float] = defaultdict(float)
        full, text = Pass(True, True), max(self.text, 1.0)
        if self.audio <= 1:
            weights[Pass(False, True)] += 1 - text
            weights[full] += text
        else:
            weights[Pass(False, False)] += 1 - text
            weights[Pass(True, False)] += text - self.audio
            weights[full] += self.audio
        weights[full] += self.sync
        weights[Pass(True, True, skip_audio=True)] -= self.sync
        if not (with_audio and with_text):
            told: defaultdict[Pass, float] = defaultdict(float)
            for evaluation, weight in weights.items():
                same = evaluation if with_audio else Pass(evaluation.text, True, skip_audio=True)
                told[same if with_text else same._replace(text=True)] += weight
            weights = told
        return {evaluation: weight for evaluation, weight in weights.items() if weight}


def conditions_of(evaluation: Pass, conditions: Conditions, null: Conditions) -> Conditions:
    """What the network is told in one pass; ``null`` may be of one clip for all."""
    batch = len(conditions.text)
    text = conditions.text if evaluation.text else null.text.expand(batch, -1, -1)
    if evaluation.skip_audio or conditions.audio is None:
        return replace(conditions, text=text).without_audio()
    if evaluation.audio:
        return replace(conditions, text=text)
    if null.audio is None:
        raise ConfigurationError("Guidance by audio needs the encoding of no sound, but null_conditions has no audio.")
    return replace(conditions, text=text, audio=null.audio.expand(batch, -1, -1))


def combine(predictions: Mapping[Pass, Tensor], weights: Mapping[Pass, float]) -> Tensor:
    """The weighted sum of the passes' predictions."""
    return torch.stack([weight * predictions[evaluation] for evaluation, weight in weights.items()]).sum(dim=0)


def warn_where_idle(guidance: Guidance, anatomy: Anatomy, hears: bool) -> None:
    """Say so where a network is to be guided by what it is not told.

    Args:
        guidance: What is asked for.
        anatomy: Which parts the network has.
        hears: Whether the conditions hold sound.
    """
    if not hears and (guidance.audio > 1 or guidance.sync > 0):
        _warn_that_sound_does_not_guide(
            "its windows are NoAudio" if anatomy.audio else "its anatomy has no audio layers"
        )
    if not anatomy.text and guidance.text > 1:
        _warn_that_text_does_not_guide()


@cache
def _warn_that_sound_does_not_guide(why: str) -> None:
    """Once a process, however many videos are made."""
    logger.warning("Guidance by audio and by sync has no effect: this model hears nothing (%s).", why)


@cache
def _warn_that_text_does_not_guide() -> None:
    """Once a process, however many videos are made."""
    logger.warning("Guidance by text has no effect: this model reads nothing (its anatomy has no text layers).")
