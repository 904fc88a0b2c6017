"""Files to tensors and back: clips, frames, sound, pictures, and the log-mel picture of a sound."""

from asva_lightning.media.clip import Clip, read_clip
from asva_lightning.media.container import Source
from asva_lightning.media.crop import crop_and_resize
from asva_lightning.media.decode import read_frames
from asva_lightning.media.format import ClipFormat
from asva_lightning.media.mel import log_mel
from asva_lightning.media.picture import read_picture
from asva_lightning.media.placement import PlacedPicture, place_picture, restore
from asva_lightning.media.probe import MediaInfo, probe, sound_seconds
from asva_lightning.media.reencode import Encoding, reencode
from asva_lightning.media.sound import is_silent, read_sound
from asva_lightning.media.write import write_clip
from asva_lightning.media.writer import ClipWriter

__all__ = [
    "Clip",
    "ClipFormat",
    "ClipWriter",
    "Encoding",
    "MediaInfo",
    "PlacedPicture",
    "Source",
    "crop_and_resize",
    "is_silent",
    "log_mel",
    "place_picture",
    "probe",
    "read_clip",
    "read_frames",
    "read_picture",
    "read_sound",
    "reencode",
    "restore",
    "sound_seconds",
    "write_clip",
]
