"""Training objective, guidance and sampling."""

from asva_lightning.diffusion.denoise import denoise
from asva_lightning.diffusion.film import FilmOptions, SoundFile, film
from asva_lightning.diffusion.generate import Animation, Pair, enlargement, generate, share
from asva_lightning.diffusion.guidance import Guidance
from asva_lightning.diffusion.long import Stretch, animate_long
from asva_lightning.diffusion.objective import Objective
from asva_lightning.diffusion.pipeline import AnimationOutput, AnimationPipeline
from asva_lightning.diffusion.sampling import Sampling
from asva_lightning.diffusion.targets import CleanTarget, EpsilonTarget, FlowTarget, Target, VelocityTarget
from asva_lightning.diffusion.weighting import MinSnrWeighting, UniformWeighting, Weighting

__all__ = [
    "Animation",
    "AnimationOutput",
    "AnimationPipeline",
    "CleanTarget",
    "EpsilonTarget",
    "FilmOptions",
    "FlowTarget",
    "Guidance",
    "MinSnrWeighting",
    "Objective",
    "Pair",
    "Sampling",
    "SoundFile",
    "Stretch",
    "Target",
    "UniformWeighting",
    "VelocityTarget",
    "Weighting",
    "animate_long",
    "denoise",
    "enlargement",
    "film",
    "generate",
    "share",
]
