"""Audio-synchronised visual animation: one image and one sound in, a video out that moves with the sound."""

__version__ = "0.1.0"
