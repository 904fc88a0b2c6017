"""AVSyncD: a Stable Diffusion UNet inflated to video and conditioned on sound."""

from asva_lightning.denoiser.anatomy import Anatomy
from asva_lightning.denoiser.conditioning import PreparedConditions
from asva_lightning.denoiser.inflation import InflationReport, inflate
from asva_lightning.denoiser.original_folder import save_original
from asva_lightning.denoiser.unet import AVSyncUNet

__all__ = ["AVSyncUNet", "Anatomy", "InflationReport", "PreparedConditions", "inflate", "save_original"]
