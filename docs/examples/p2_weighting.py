"""P2 weighting of the training loss: levels at which a picture's content is made count more than its finest details.

An example of a part of the objective of one's own; docs/extend.md tells how it is used.
"""

from dataclasses import dataclass

from torch import Tensor

from asva_lightning.diffusion.targets import Target
from asva_lightning.diffusion.weighting import Weighting
from asva_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class P2Weighting(Weighting):
    """``1 / (k + SNR)^gamma`` on the error of the noise, whatever the target is (Choi et al., 2022).

    The squared error of the noise is ``SNR`` times that of the clean latents, and that of the target
    ``target.error_ratio(SNR)`` times, so the weight of the target's error is ``SNR / ratio / (k + SNR)^gamma``.

    Args:
        k: Keeps the weight bounded where little signal is left.
        gamma: How steeply the weight falls towards clean latents; 0 is the plain error of the noise.

    Raises:
        ConfigurationError: If ``k`` is not positive or ``gamma`` is negative.
    """

    k: float = 1.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if not (self.k > 0 and self.gamma >= 0):
            raise ConfigurationError(f"P2Weighting needs k > 0 and gamma >= 0, not {self.k} and {self.gamma}.")

    def __call__(self, signal_to_noise: Tensor, target: Target) -> Tensor:
        """Weights ``(b,)`` of clips noised to a signal-to-noise ratio ``(b,)``."""
        bounded = signal_to_noise.clamp(min=1e-8)  # with a schedule that ends in pure noise the ratio may be 0
        return bounded / target.error_ratio(bounded) / (self.k + bounded) ** self.gamma
