"""Networks that turn media into numbers for the denoiser."""

from asva_lightning.encoders.audio import AudioEncoder, LogMelEncoder
from asva_lightning.encoders.codecs import AutoencoderCodec, LatentCodec, PixelCodec
from asva_lightning.encoders.conditioner import Conditioner, drop, to_floats, to_pixels
from asva_lightning.encoders.conditions import Conditions
from asva_lightning.encoders.imagebind import ImageBind, ImageBindAudio
from asva_lightning.encoders.text import ClassText, ClipText, TextEncoder
from asva_lightning.encoders.windows import FrameWindows, SegmentWindows, TokenGrid, segment_mask

__all__ = [
    "AudioEncoder",
    "AutoencoderCodec",
    "ClassText",
    "ClipText",
    "Conditioner",
    "Conditions",
    "FrameWindows",
    "ImageBind",
    "ImageBindAudio",
    "LatentCodec",
    "LogMelEncoder",
    "PixelCodec",
    "SegmentWindows",
    "TextEncoder",
    "TokenGrid",
    "drop",
    "segment_mask",
    "to_floats",
    "to_pixels",
]
