"""AVSyncD: a Stable Diffusion UNet inflated to video and conditioned on sound."""

from asva_lightning.denoiser.conditioning import PreparedConditions
from asva_lightning.denoiser.unet import AVSyncUNet

__all__ = ["AVSyncUNet", "PreparedConditions"]
