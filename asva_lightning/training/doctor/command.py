"""`doctor`: what `fit` with the same words would need, do and cost."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from asva_lightning.errors import AsvaError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.doctor.estimate import Speed, cost_section, memory_section, step_of, work_of
from asva_lightning.training.doctor.memory import PRECISIONS, precision_of
from asva_lightning.training.doctor.needs import locate, needed, weights_section
from asva_lightning.training.doctor.networks import networks_of, parameters_section
from asva_lightning.training.doctor.run import run_section
from asva_lightning.training.doctor.shards import shards_section
from asva_lightning.training.doctor.text import Section
from asva_lightning.training.experiment import ParsingCLI, Run, check_files
from asva_lightning.training.option_check import check_options


@dataclass(frozen=True)
class Examined:
    """What the words of the command line mean.

    Args:
        config: The resolved configuration, as plain dictionaries, lists and values.
        run: ``--run``.
        speed: ``--doctor``.
    """

    config: Mapping[str, Any]
    run: Run
    speed: Speed


class DoctorCLI(ParsingCLI):
    """Keeps what was parsed."""

    examined: Examined

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--doctor`` to what `fit` takes."""
        super().add_arguments_to_parser(parser)
        parser.add_class_arguments(Speed, "doctor")

    def _open_folder(self, config: Namespace) -> RunFolder:
        """Keep what was parsed; the folder is looked for, not opened."""
        self._dump_config()
        self.examined = Examined(self.config_dump, self.options, Speed(**vars(config.doctor)))
        return RunFolder(Path(self.options.root))


def doctor(words: list[str]) -> int:
    """Report on a configuration. Nothing is written, downloaded or put on a GPU.

    Args:
        words: The words that `fit` would be given, and ``--doctor.utilisation`` and ``--doctor.peak_teraflops``.

    Returns:
        1 if something is missing that a start needs, else 0.

    Raises:
        AsvaError: If the words contradict each other.
        SystemExit: With code 2 where a word or a key is unknown, as for `fit`.
    """
    check_files(words)
    with ExitStack() as held:
        examined = DoctorCLI(["fit", *words], None, held).examined
    sections = examine(examined)
    stops = sum(section.stops for section in sections)
    verdict = f"`fit` would stop: see MISSING or ERROR above ({stops})." if stops else "Nothing is missing."
    sys.stdout.write("\n\n".join([*map(str, sections), verdict]) + "\n")
    return 1 if stops else 0


def examine(examined: Examined) -> list[Section]:
    """All sections of the report."""
    config = examined.config
    max_steps = config["trainer"].get("max_steps")
    max_steps = None if max_steps in (None, -1) else int(max_steps)
    # As in `fit`, where the run is what these keys say.
    named = {key: config.get(key) for key in ("seed_everything", "trainer", "model", "data", "run", "ckpt_path")}
    run, begin = run_section(examined.run, named, max_steps)
    needs = needed(config)
    sections = [weights_section(map(locate, needs)), shards_section(config["data"]), run]
    options = Section("Options")
    try:
        check_options(config)
    except AsvaError as error:
        options.stop(error, "ERROR")
        return [*sections, options]
    try:
        return sections + _costs(examined, begin, max_steps, frozen=bool(needs))
    except AsvaError as error:
        refused = Section("Parameters, memory and arithmetic")
        refused.stop(error, "ERROR")
        return [*sections, refused]


def _costs(examined: Examined, begin: int, max_steps: int | None, frozen: bool) -> list[Section]:
    config = examined.config
    networks = networks_of(config["model"])
    parameters = parameters_section(networks, frozen)
    work = work_of(config)
    value = config["trainer"].get("precision")
    precision = precision_of(value)
    if precision is None:
        known = ", ".join(PRECISIONS)
        return [parameters, Section("Memory", [f"not told for --trainer.precision {value}, only for {known}"])]
    step = step_of(config, networks, work, precision)
    average = bool((config["model"].get("init_args") or {}).get("average"))
    return [
        parameters,
        memory_section(networks, work, precision, average, step),
        cost_section(step, work, examined.speed, begin, max_steps),
    ]
