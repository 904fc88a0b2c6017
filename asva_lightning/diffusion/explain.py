"""Where the sound acts: how much a prediction changes when the sound is taken away."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from asva_lightning.diffusion.guidance import Pass


class AudioEffect:
    """Collects ``|e(text, audio) - e(text, no audio)|`` over the steps of a walk, averaged over channels.

    To be passed to :func:`~asva_lightning.diffusion.denoise` as ``watch``, with :attr:`passes` as ``watched``.
    """

    passes: ClassVar[tuple[Pass, Pass]] = (Pass(text=True, audio=True), Pass(text=True, audio=False))

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._steps = 0

    def __call__(self, predictions: Mapping[Pass, Tensor]) -> None:
        """Take in one step's predictions ``(b, c, f, h, w)``."""
        with_sound, without = (predictions[evaluation] for evaluation in self.passes)
        difference = (with_sound - without).abs().mean(dim=1)
        difference[:, 0] = 0  # the first frame is held, whatever is predicted for it
        self._sum = difference if self._sum is None else self._sum + difference
        self._steps += 1

    def heat(self) -> Tensor:
        """The mean over the steps, ``(b, f, h, w)`` at the latents' size."""
        assert self._sum is not None
        return self._sum / self._steps


def show_heat(pixels: Tensor, heat: Tensor, full: float) -> Tensor:
    """Lay a heat map over a darkened video: black, red, yellow, white with growing effect.

    Args:
        pixels: ``(3, f, h, w)``, uint8.
        heat: ``(f, h', w')``, not negative; enlarged to the video's size.
        full: The value that is shown white; one for all of a video, so that its parts compare.

    Returns:
        ``(3, f, h, w)``, uint8.
    """
    strength = interpolate(heat[:, None].float(), size=pixels.shape[-2:], mode="bilinear", align_corners=False)
    strength = (strength[:, 0] / max(full, 1e-12)).clamp(0, 1)
    colours = torch.stack([(3 * strength - shade).clamp(0, 1) for shade in range(3)])
    grey = pixels.float().mean(dim=0, keepdim=True) / 255
    return ((0.35 * grey + 0.9 * colours).clamp(0, 1) * 255).round().to(torch.uint8)
