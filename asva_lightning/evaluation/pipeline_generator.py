"""Our own pipelines as systems under test."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from asva_lightning.diffusion import AnimationPipeline, Guidance, Pair, generate
from asva_lightning.evaluation.generators import Request


@dataclass(frozen=True)
class PipelineGenerator:
    """Answers requests with a pipeline, several at once.

    Args:
        pipeline: What animates.
        seed: Seed of the noise; which noise of that seed a video gets, its request says.
        batch_size: Requests that are animated together.
        guidance: How strongly to follow text and sound; the pipeline's if not given.
    """

    pipeline: AnimationPipeline
    seed: int = 0
    batch_size: int = 8
    guidance: Guidance | None = None

    def __call__(self, requests: Sequence[Request]) -> list[Tensor]:
        """One video ``(3, f, h, w)`` uint8 a request, in their order.

        Raises:
            WeightsError: If a sample holds values that are no finite numbers.
        """
        pairs = [Pair(one.key, one.picture, one.waveform, one.text, one.seed) for one in requests]
        made = generate(self.pipeline, pairs, seed=self.seed, batch_size=self.batch_size, guidance=self.guidance)
        for animation in made:
            animation.require_finite()
        return [animation.pixels for animation in made]
