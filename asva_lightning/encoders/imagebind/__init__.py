"""ImageBind: sounds, pictures and texts in one embedding, and the audio tokens of the method."""

from asva_lightning.encoders.imagebind.audio_encoder import (
    audio_encoder_from_original_names,
    audio_encoder_to_original_names,
)
from asva_lightning.encoders.imagebind.encoder import ImageBindAudio
from asva_lightning.encoders.imagebind.layers import ImageBindLayers
from asva_lightning.encoders.imagebind.model import ImageBind
from asva_lightning.encoders.imagebind.original import HUGE_HEADS
from asva_lightning.encoders.imagebind.text import tokenize
from asva_lightning.encoders.imagebind.tower import Tower
from asva_lightning.encoders.imagebind.vision import prepare_pictures

__all__ = [
    "HUGE_HEADS",
    "ImageBind",
    "ImageBindAudio",
    "ImageBindLayers",
    "Tower",
    "audio_encoder_from_original_names",
    "audio_encoder_to_original_names",
    "prepare_pictures",
    "tokenize",
]
