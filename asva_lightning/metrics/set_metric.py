"""What the measures of sets of clips share: features that are kept over batches and ranks, overall and per class."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from asva_lightning.errors import ConfigurationError
from asva_lightning.media.format import ClipFormat
from asva_lightning.metrics.per_class import Kept, classes_of, each_class, gathered
from asva_lightning.metrics.set_measure import require_clips_of_both, require_finite


class SetMetric(Metric, ABC):
    """A :class:`~asva_lightning.metrics.set_measure.SetMeasure` that keeps the features of all clips of all ranks.

    A class is a number that means the same on every rank. A rank may have any number of clips, also none.

    Args:
        **kwargs: What every torchmetrics metric takes.
    """

    higher_is_better = False
    full_state_update = False
    is_differentiable = False
    plot_lower_bound = 0.0
    generated: Kept
    reference: Kept
    generated_classes: Kept
    reference_classes: Kept
    rows: Tensor
    width: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("generated", "reference", "generated_classes", "reference_classes"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.add_state("rows", torch.tensor(0), dist_reduce_fx="max")
        self.add_state("width", torch.tensor(0), dist_reduce_fx="max")

    @abstractmethod
    def features(self, pixels: Tensor, format: ClipFormat) -> Tensor:
        """Look at one clip ``(3, f, h, w)`` uint8: ``(n, d)``, one row for the clip or one for each frame that counts.

        Nothing is kept.
        """

    @abstractmethod
    def distance(self, generated: Tensor, reference: Tensor) -> float:
        """Compare two sets of features ``(N, d)`` and ``(M, d)``.

        Raises:
            ConfigurationError: If a set has a single row, or the widths differ.
            WeightsError: If a feature is NaN or infinite.
        """

    def update(
        self,
        pixels: Tensor,
        format: ClipFormat,
        real: bool,
        classes: Sequence[int] | Tensor | None = None,
        keys: Sequence[str] | None = None,
    ) -> None:
        """Take in a batch of one of the two sets.

        Args:
            pixels: RGB clips ``(b, 3, f, h, w)``, uint8.
            format: Their frame rate and size.
            real: Whether they are true clips; otherwise they are generated.
            classes: The class of each clip; 0 for all if not given.
            keys: The name of each clip, for errors.

        Raises:
            ConfigurationError: If these clips have another number of frames than those before, there are more or
                fewer classes than clips, or these are no whole numbers.
            WeightsError: If a clip's features are NaN or infinite.
        """
        numbers = classes_of(len(pixels), classes, self.dtype)
        if not len(pixels):
            return
        clips = [self.features(clip, format) for clip in pixels]
        for number, features in enumerate(clips):
            require_finite(features, f"clip {keys[number]!r}" if keys else f"clip {number} of this batch")
            self._require_same_shape(features)
        name = "reference" if real else "generated"
        getattr(self, name).append(torch.cat(clips).flatten().to(self.device, self.dtype))
        getattr(self, f"{name}_classes").append(numbers.to(self.device))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: a batch is of one set, so it has no distance, and what was taken in before would be lost.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"{type(self).__name__} has no value for a batch, which is of one of its two sets. Call update(...) with "
            "each batch and compute() at the end."
        )

    def compute(self) -> Tensor:
        """The distance between all generated and all true clips.

        Raises:
            ConfigurationError: If a set has fewer than two clips.
        """
        (generated, _), (reference, _) = self._sets()
        return torch.tensor(self._distance(generated, reference, "all clips"))

    def compute_per_class(self) -> dict[int, float]:
        """The distance of each class that either set has, by class; all ranks must call it.

        Raises:
            ConfigurationError: If a class has fewer than two clips in a set; it is named.
        """
        with self.sync_context():
            (generated, classes), (reference, true_classes) = self._sets()

        def distance(number: int) -> float:
            of_class = generated[classes == number], reference[true_classes == number]
            return self._distance(*of_class, f"the clips of class {number}")

        return each_class(distance, classes, true_classes)

    def _sets(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Features ``(clips, n, d)`` and classes ``(clips,)`` of the generated and of the true clips."""
        return self._set(self.generated, self.generated_classes), self._set(self.reference, self.reference_classes)

    def _set(self, features: Kept, classes: Kept) -> tuple[Tensor, Tensor]:
        if not len(classes):
            return torch.empty(0, 0, 0), torch.empty(0, dtype=torch.long)
        shape = (-1, int(self.rows), int(self.width))
        return gathered(features).reshape(shape), gathered(classes).long()

    def _distance(self, generated: Tensor, reference: Tensor, of: str) -> float:
        require_clips_of_both(len(generated), len(reference), of)
        return self.distance(generated.flatten(0, 1), reference.flatten(0, 1))

    def _require_same_shape(self, features: Tensor) -> None:
        known, met = (int(self.rows), int(self.width)), tuple(features.shape)
        if known == (0, 0):
            self.rows, self.width = (torch.tensor(size, device=self.device) for size in met)
        elif known != met:
            raise ConfigurationError(
                f"A clip has features {met}, but those before had {known}. Give all clips with the same number of "
                "frames."
            )
