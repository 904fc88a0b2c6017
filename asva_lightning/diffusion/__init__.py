"""Training objective, guidance and sampling."""

from asva_lightning.diffusion.denoise import denoise
from asva_lightning.diffusion.generate import Animation, Pair, enlargement, generate, share
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.objective import CleanTarget, EpsilonTarget, Objective, Target, VelocityTarget
from asva_lightning.diffusion.pipeline import AnimationPipeline, Sampling

__all__ = [
    "Animation",
    "CleanTarget",
    "AnimationPipeline",
    "EpsilonTarget",
    "Guidance",
    "Objective",
    "Pair",
    "Sampling",
    "Target",
    "VelocityTarget",
    "denoise",
    "enlargement",
    "generate",
    "share",
]
