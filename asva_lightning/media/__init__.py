"""Files to tensors and back: clips, frames, sound, pictures, and the log-mel picture of a sound."""

from asva_lightning.media.clip import Clip, read_clip
from asva_lightning.media.container import Source
from asva_lightning.media.decode import read_frames
from asva_lightning.media.encode import write_clip
from asva_lightning.media.format import ClipFormat
from asva_lightning.media.mel import log_mel
from asva_lightning.media.picture import crop_and_resize, read_picture
from asva_lightning.media.probe import MediaInfo, probe
from asva_lightning.media.sound import read_sound

__all__ = [
    "Clip",
    "ClipFormat",
    "MediaInfo",
    "Source",
    "crop_and_resize",
    "log_mel",
    "probe",
    "read_clip",
    "read_frames",
    "read_picture",
    "read_sound",
    "write_clip",
]
