"""Networks that turn media into numbers for the denoiser."""

from asva_lightning.encoders.ast import AstAudio, AstNetwork
from asva_lightning.encoders.audio import AudioEncoder, LogMelEncoder
from asva_lightning.encoders.cached_text import CachedText
from asva_lightning.encoders.codecs import AutoencoderCodec, LatentCodec, PixelCodec
from asva_lightning.encoders.conditioner import Conditioner, drop, to_floats, to_pixels
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.encoders.imagebind import ImageBind, ImageBindAudio, ImageBindLayers
from asva_lightning.encoders.several import SeveralAudioEncoders, SeveralAudioNetworks
from asva_lightning.encoders.text import ClassText, ClipText, TextEncoder
from asva_lightning.encoders.windows import (
    EverythingWindow,
    FrameWindows,
    GlobalWindow,
    NoAudio,
    RadiusWindows,
    SegmentWindows,
    TokenGrid,
    segment_mask,
)

__all__ = [
    "AstAudio",
    "AstNetwork",
    "AudioEncoder",
    "AutoencoderCodec",
    "CachedText",
    "ClassText",
    "ClipText",
    "Conditioner",
    "Conditions",
    "EverythingWindow",
    "FrameWindows",
    "GlobalWindow",
    "ImageBind",
    "ImageBindAudio",
    "ImageBindLayers",
    "LatentCodec",
    "LogMelEncoder",
    "NoAudio",
    "PixelCodec",
    "RadiusWindows",
    "SegmentWindows",
    "SeveralAudioEncoders",
    "SeveralAudioNetworks",
    "TextEncoder",
    "TokenGrid",
    "drop",
    "segment_mask",
    "to_floats",
    "to_pixels",
]
