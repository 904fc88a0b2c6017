"""SynthSync: synthetic clips whose picture and sound are made from the same events, at known times."""

from asva_lightning.data.synthsync.clip import SynthClip
from asva_lightning.data.synthsync.dataset import SynthSync
from asva_lightning.data.synthsync.track import EventTrack

__all__ = ["EventTrack", "SynthClip", "SynthSync"]
