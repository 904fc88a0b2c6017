"""Networks that turn media into numbers for the denoiser."""

from asva_lightning.encoders.audio import AudioEncoder, LogMelEncoder
from asva_lightning.encoders.codecs import AutoencoderCodec, LatentCodec, PixelCodec
from asva_lightning.encoders.conditioner import Conditioner, drop, to_floats, to_pixels
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.encoders.imagebind import ImageBind, ImageBindAudio
from asva_lightning.encoders.text import ClassText, ClipText, TextEncoder
from asva_lightning.encoders.windows import (
    EverythingWindow,
    FrameWindows,
    GlobalWindow,
    RadiusWindows,
    SegmentWindows,
    TokenGrid,
    segment_mask,
)

__all__ = [
    "AudioEncoder",
    "AutoencoderCodec",
    "ClassText",
    "ClipText",
    "Conditioner",
    "Conditions",
    "EverythingWindow",
    "FrameWindows",
    "GlobalWindow",
    "ImageBind",
    "ImageBindAudio",
    "LatentCodec",
    "LogMelEncoder",
    "PixelCodec",
    "RadiusWindows",
    "SegmentWindows",
    "TextEncoder",
    "TokenGrid",
    "drop",
    "segment_mask",
    "to_floats",
    "to_pixels",
]
