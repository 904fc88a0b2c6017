"""What ``dataset.json`` says of shards that hold latents: what made them, and so what can be trained on them."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from asva_lightning.data.manifest import Dataset
from asva_lightning.data.mixture import Mixture
from asva_lightning.errors import ConfigurationError, ShardsError
from asva_lightning.media import ClipFormat

PREPROCESSING = "largest centred part of the frame's shape, resized bilinearly with antialiasing"
"""What happens to a frame before the codec; to be changed with :func:`asva_lightning.media.crop_and_resize`."""

Fingerprint = Mapping[str, Any]
"""What the output of a network depends on: its class, a digest of its weights, its settings."""


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= sys.maxsize


def _is_length(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 < value <= sys.maxsize)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_object_or_null(value: Any) -> bool:
    return value is None or isinstance(value, dict)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("height", "width", "sample_rate"), _is_count),
    **dict.fromkeys(("audio_step", "seconds"), _is_length),
    **dict.fromkeys(("latents", "sound", "preprocessing", "shards"), _is_text),
    **dict.fromkeys(("audio", "text"), _is_object_or_null),
    "codec": _is_object,
}
"""Which values an entry may have."""


@dataclass(frozen=True)
class EncodedShards:
    """The entry ``encoded`` of ``dataset.json``.

    Args:
        height: Height of the frames in pixels, before the codec.
        width: Width of the frames in pixels.
        sample_rate: Samples a second of the stored sound.
        codec: Fingerprint of the codec.
        latents: Type of the stored latents.
        sound: Type of the stored sound.
        preprocessing: What happened to a frame before the codec.
        audio: Fingerprint of the audio encoder, where tokens are stored.
        audio_step: Seconds from one start that has tokens to the next, where tokens are stored.
        seconds: Length of the sounds whose tokens are stored.
        text: Fingerprint of the text encoder, where the texts are encoded.
        shards: The shards that were encoded.
        folder: Where this was read; not written into it.
    """

    height: int
    width: int
    sample_rate: int
    codec: Fingerprint
    latents: str
    sound: str
    preprocessing: str = PREPROCESSING
    audio: Fingerprint | None = None
    audio_step: float | None = None
    seconds: float | None = None
    text: Fingerprint | None = None
    shards: str = field(default="", compare=False)
    folder: str = field(default="", compare=False)

    @classmethod
    def of(cls, dataset: Dataset) -> "EncodedShards | None":
        """What a data set says, or nothing if it holds media files.

        Raises:
            ShardsError: If the entry is damaged.
        """
        entry = dataset.description.get("encoded")
        if entry is None:
            return None
        needed = {kept.name for kept in fields(cls)} - {"folder"}
        if not isinstance(entry, dict) or entry.keys() != needed:
            raise ShardsError(
                f"dataset.json of {dataset.folder} is damaged: `encoded` must have exactly the entries "
                f"{', '.join(sorted(needed))}. Encode the shards again."
            )
        strange = [name for name, fits in _FITS.items() if not fits(entry[name])]
        if strange or (entry["audio"] is None) != (entry["audio_step"] is None):
            raise ShardsError(
                f"dataset.json of {dataset.folder} is damaged: `encoded` has impossible values for "
                f"{', '.join(strange) or 'audio and audio_step'}. Encode the shards again."
            )
        return cls(**entry, folder=dataset.folder)

    @classmethod
    def of_mixture(cls, opened: Mixture) -> "EncodedShards | None":
        """What all data sets of a mixture say, or nothing if they hold media files.

        Raises:
            ConfigurationError: If they do not say the same.
        """
        said = [cls.of(dataset) for dataset in opened.datasets]
        if any(one != said[0] for one in said):
            other = next(place for place, one in enumerate(said) if one != said[0])
            raise ConfigurationError(
                f"{opened.datasets[0].folder} and {opened.datasets[other].folder} cannot be mixed: one holds latents "
                "and the other does not, or they were encoded otherwise. Encode all of them with the same recipe and "
                "options of `shards encode`."
            )
        return said[0]

    def to_json(self) -> dict[str, Any]:
        """The entry."""
        entry = asdict(self)
        del entry["folder"]
        return entry

    def check_format(self, format: ClipFormat, audio: bool) -> None:
        """Refuse a recipe whose clips these shards do not hold.

        Args:
            format: The recipe's.
            audio: Whether the stored tokens of the sound are used.

        Raises:
            ConfigurationError: If the size of the frames, the rate of the sound, or the length of clips whose tokens
                are used, is another one.
        """
        for name, stored, asked in (
            ("height", self.height, format.height),
            ("width", self.width, format.width),
            ("sample_rate", self.sample_rate, format.sample_rate),
        ):
            if stored != asked:
                raise ConfigurationError(
                    f"{self.folder} was encoded with {name} {stored}, but the recipe asks for {asked}. "
                    f"Set --data.format.{name} {stored}, or encode again. {self.again}"
                )
        if audio and self.seconds is not None and abs(self.seconds - format.seconds) > 1e-6:
            raise ConfigurationError(
                f"{self.folder} holds audio tokens of clips of {self.seconds:g} s, but the recipe's are "
                f"{format.seconds:g} s long. Set --data.format.frames and --data.format.fps accordingly, encode the "
                "sound anew while training (--data.encode_audio true), or encode the shards again. " + self.again
            )

    def check_made_by(self, part: str, made_by: Fingerprint | None, present: Fingerprint, else_do: str) -> None:
        """Refuse networks other than those that made what is stored.

        Args:
            part: What the network is called.
            made_by: Fingerprint of the network that made what is stored; if there is none, nothing is compared.
            present: Fingerprint of the recipe's network.
            else_do: What helps besides encoding again.

        Raises:
            ConfigurationError: If they differ.
        """
        made_by = present if made_by is None else made_by
        present = json.loads(json.dumps(present))
        differing = sorted(name for name in {*made_by, *present} if made_by.get(name) != present.get(name))
        if differing or self.preprocessing != PREPROCESSING:
            told = [f"{name} {made_by.get(name)} there, {present.get(name)} here" for name in differing]
            if self.preprocessing != PREPROCESSING:
                told.append(f"frames there: {self.preprocessing}; here: {PREPROCESSING}")
            raise ConfigurationError(
                f"{self.folder} was encoded by another {part} than this recipe's ({'; '.join(told)}). {else_do}, or "
                f"encode again. {self.again}"
            )

    @property
    def again(self) -> str:
        """The command that encodes again."""
        return f"Type: python -m asva_lightning shards encode {self.shards} NEW_FOLDER --config RECIPE"
