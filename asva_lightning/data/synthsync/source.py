"""SynthSync as a source of shards."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from asva_lightning.data.sources import ClipItem, ClipSource, MadeClip
from asva_lightning.data.synthsync.dataset import SynthSync
from asva_lightning.media import ClipFormat, write_clip


@dataclass(frozen=True)
class SynthSyncSource(ClipSource):
    """Renders each clip into an mp4 with sound.

    Args:
        clips: The data set.
    """

    clips: SynthSync = field(default_factory=SynthSync)

    def items(self) -> Sequence[ClipItem]:
        """All clips of all splits."""
        kinds = self.clips.kinds
        return [
            ClipItem(f"{kind}/{self.clips.key(split, index)}", split, kind, self.clips.texts[kind], str(index))
            for split, count in self.clips.splits.items()
            for index in range(count)
            for kind in (kinds[index % len(kinds)],)
        ]

    def make(self, item: ClipItem, folder: Path) -> MadeClip:
        """Render one clip; key frames are half a second apart, so that a clip starts cheaply anywhere."""
        clip = self.clips.render(item.split, int(item.origin))
        path = folder / f"{clip.key}.mp4"
        every = max(1, round(clip.fps / 2))
        write_clip(path, clip.pixels, clip.fps, clip.waveform, ClipFormat.sample_rate, keyframe_interval=every)
        return MadeClip(str(path), clip.seconds, clip.fps, clip.description())

    def describe(self) -> dict[str, Any]:
        """The settings, which determine every clip."""
        return {"source": "synthsync", **asdict(self.clips), "kinds": list(self.clips.kinds)}
