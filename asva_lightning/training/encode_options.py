"""The words of ``shards encode``: two folders, a recipe as `fit` takes it, and options."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from asva_lightning.errors import ConfigurationError
from asva_lightning.training.encode_clip import FloatType, SoundType
from asva_lightning.training.experiment import ExperimentCLI, check_files

USAGE = """usage: python -m asva_lightning shards encode SHARDS OUTPUT --config RECIPE [--config MORE] [...]

Computes once, and keeps in the shards OUTPUT, what the recipe's frozen networks say of the clips of SHARDS: latents of
every frame, the sound, tokens of the class texts and, if wanted, of the sound. Train with --data.shards OUTPUT.

  --latents TYPE       float16 (default) or float32
  --sound TYPE         int16 (default) or float32
  --audio_step SECONDS also the audio encoder's tokens, of clips that start every so many seconds
  --device DEVICE      where the networks are; a GPU if there is one
  --workers N          processes, each with networks of its own (default 1)
  --part I/N           only every N-th clip, beginning with the I-th; without it, parts are put together

Any setting of the recipe may follow, as for `fit`; only data.format and model.init_args.conditioner are used.
"""


@dataclass(frozen=True)
class EncodeOptions:
    """How shards are encoded.

    Args:
        latents: Type of the stored latents, and of audio tokens.
        sound: Type of the stored sound.
        audio_step: Seconds from one start that gets audio tokens to the next; no tokens if not given.
        device: Where the networks are; a GPU if there is one.
        workers: Processes, each with networks of its own.
        part: ``I/N``: only every N-th clip, beginning with the I-th.
    """

    latents: FloatType = "float16"
    sound: SoundType = "int16"
    audio_step: float | None = None
    device: str | None = None
    workers: int = 1
    part: str | None = None

    def __post_init__(self) -> None:
        if self.audio_step is not None and not self.audio_step > 0:
            raise ConfigurationError(f"--audio_step is a time in seconds above 0, not {self.audio_step}.")
        _ = self.part_of

    @property
    def part_of(self) -> tuple[int, int]:
        """Number and count of parts.

        Raises:
            ConfigurationError: If the part is not of the form ``I/N``.
        """
        number, slash, count = (self.part or "1/1").partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise ConfigurationError(f"--part is a number of a count, such as 1/4, not {self.part!r}.")
        return int(number), int(count)


class EncodeCLI(ExperimentCLI):
    """Parses the recipe as `fit` does, and makes nothing of it."""

    recipe: Mapping[str, Any]
    encoding: EncodeOptions

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of this command."""
        super().add_arguments_to_parser(parser)
        parser.add_class_arguments(EncodeOptions, None)

    def _set_seed(self) -> None:
        """Nothing here is random."""

    def before_instantiate_classes(self) -> None:
        """Keep what was parsed."""
        self._dump_config()
        self.recipe = self.config_dump
        given: Namespace = self.config[self.subcommand]
        self.encoding = EncodeOptions(**{option.name: given[option.name] for option in fields(EncodeOptions)})

    def instantiate_classes(self) -> None:
        """Make nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


def parse(words: list[str]) -> tuple[Mapping[str, Any], EncodeOptions]:
    """The resolved recipe and the options that words describe.

    Raises:
        ConfigurationError: If a file does not exist or settings contradict each other.
        SystemExit: With code 2 where a word or a key is unknown, as for `fit`.
    """
    check_files(words)
    with ExitStack() as held:
        parsed = EncodeCLI(["fit", *words], None, held)
    return parsed.recipe, parsed.encoding
