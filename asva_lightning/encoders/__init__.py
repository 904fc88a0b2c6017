"""Networks that turn media into numbers for the denoiser."""

from asva_lightning.encoders.conditions import Conditions

__all__ = ["Conditions"]
