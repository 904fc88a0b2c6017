"""The kinds of objects that SynthSync knows."""

from asva_lightning.data.synthsync.kinds.ball import Ball
from asva_lightning.data.synthsync.kinds.bow import Bow
from asva_lightning.data.synthsync.kinds.drum import Drum
from asva_lightning.data.synthsync.kinds.firework import Firework
from asva_lightning.data.synthsync.kinds.frog import Frog
from asva_lightning.data.synthsync.kinds.hammer import Hammer
from asva_lightning.data.synthsync.kinds.kind import Kind
from asva_lightning.data.synthsync.kinds.lamp import Lamp
from asva_lightning.data.synthsync.kinds.mouth import Mouth

KINDS: tuple[Kind, ...] = (Ball(), Drum(), Hammer(), Lamp(), Mouth(), Bow(), Firework(), Frog())

__all__ = ["KINDS", "Kind"]
