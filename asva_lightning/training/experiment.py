"""fit, validate, test and predict: LightningCLI with run folders, automatic resume and time counted in steps."""

import importlib.util
import logging
import os
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
from jsonargparse import Namespace, set_parsing_settings
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf.errors import OmegaConfBaseException

from asva_lightning.data.datamodule import ClipDataModule
from asva_lightning.data.watchdog import explained_death
from asva_lightning.errors import AsvaError, ConfigurationError, RunError
from asva_lightning.runs.folder import RunFolder, open_run
from asva_lightning.runs.lock import RunLock
from asva_lightning.runs.preemption import Preemption
from asva_lightning.training.callbacks import ProgressLines, SaveAndStop, SkippedClips
from asva_lightning.training.interpolations import register_interpolations
from asva_lightning.training.metrics_logger import MetricsLogger

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "ASVA_RUN_FOLDER"
"""Tells the processes that rank zero starts which folder it chose."""


@dataclass(frozen=True)
class Run:
    """Where a run is kept and how often it is looked at. All intervals are optimizer steps.

    Args:
        name: Name of the experiment.
        root: Folder of all runs.
        folder: Folder of this run, whatever its configuration.
        fresh: Begin a new folder even if this configuration has one.
        save_every: Steps between checkpoints.
        keep: How many checkpoints to keep.
        validate_every: Steps between validations; none while training if not given.
    """

    name: str = "run"
    root: str = "runs"
    folder: str | None = None
    fresh: bool = False
    save_every: int = 1000
    keep: int = 2
    validate_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("save_every", "keep", "validate_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"--run.{name} must be at least 1, not {value}.")


class BriefParser(LightningArgumentParser):
    """A parser that, on an error, says what is wrong and where to look, without listing every option."""

    def add_function_arguments(self, *args: Any, linked_targets: Any = None, **kwargs: Any) -> Any:
        """Add the arguments of a function that stands for a class, such as ``AVSyncUNet.from_stable_diffusion``.

        jsonargparse passes on which arguments are linked, as it does for classes, but takes it for classes only.
        """
        return super().add_function_arguments(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and leave with code 2."""
        sys.stderr.write(f"error: {message}\nAll settings: python -m asva_lightning fit --help\n")
        raise SystemExit(2) from ex


class ExperimentCLI(LightningCLI):
    """LightningCLI whose start command is also its resume command.

    Args:
        args: The words of the command line.
        preemption: The flag that signals set.
        held: Takes what must be given back when the command ends, however it ends.
    """

    def __init__(self, args: list[str], preemption: Preemption | None, held: ExitStack) -> None:
        # Interpolations are resolved last, so that they follow overrides and later files.
        set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
        register_interpolations()
        self.preemption = preemption
        self.held = held
        super().__init__(
            pl.LightningModule,
            ClipDataModule,
            subclass_mode_model=True,
            save_config_callback=None,  # the run folder keeps the configuration, and may be started again
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_class=BriefParser,
            parser_kwargs={"parser_mode": "omegaconf+"},
            args=args,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--run``; the clip format is given once, with the data."""
        parser.add_class_arguments(Run, "run")
        parser.link_arguments("data.format", "model.init_args.format")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the words that were given, wherever they came from.

        Raises:
            ConfigurationError: If a ``${...}`` names nothing.
            AsvaError: If what it asks for cannot be had, such as the class texts of missing shards.
        """
        try:
            self.config = parser.parse_args(args)
        except OmegaConfBaseException as error:
            reason = _refusal(error)
            if isinstance(reason, AsvaError):
                raise reason from error
            raise ConfigurationError(" ".join(str(error).split())) from error

    def _parse_ckpt_path(self) -> None:
        """Take the configuration from files and words only: a checkpoint must not overrule the command line."""

    def before_instantiate_classes(self) -> None:
        """Choose the run folder, and refuse settings that cannot work before anything costs time."""
        config = self.config[self.subcommand]
        self.options = Run(**{key: value for key, value in vars(config.run).items()})
        if self.subcommand == "fit":
            _count_in_steps(config.trainer, self.options)
        self.folder = self._open_folder(config)
        config.trainer.default_root_dir = str(self.folder.path)

    def named_by(self) -> dict[str, Any]:
        """The resolved settings, as far as they name the run; the same for every subcommand."""
        self._dump_config()
        return {key: self.config_dump.get(key) for key in ("seed_everything", "trainer", "model", "data", "run")}

    def _open_folder(self, config: Namespace) -> RunFolder:
        training = self.subcommand == "fit"
        given = os.environ.get(FOLDER_VARIABLE) or self.options.folder
        run = open_run(
            Path(self.options.root),
            self.options.name,
            self.named_by(),
            folder=Path(given) if given else None,
            fresh=self.options.fresh and training,
            writes=training and _is_rank_zero(),
        )
        if training and _is_rank_zero():
            self.held.push(_Refused(run))
            self.held.enter_context(RunLock(run.path))
            os.environ[FOLDER_VARIABLE] = str(run.path)
            self.held.callback(os.environ.pop, FOLDER_VARIABLE, None)
            logger.info("Run folder: %s", run.path)
        return run

    def instantiate_classes(self) -> None:
        """Make the parts; if one refuses its settings, its own message is the error, not the parser's account of it."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise _refusal(error) from error

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add what every run has: its loggers, checkpoints, progress and the list of skipped clips."""
        given = self._get(self.config_init, "trainer")
        callbacks: list[Callback] = [*(given.get("callbacks") or []), SkippedClips(self.folder)]
        if not sys.stderr.isatty() and given.get("enable_progress_bar") is None:
            callbacks.append(ProgressLines())
            kwargs["enable_progress_bar"] = False
        if self.subcommand == "fit":
            callbacks.append(SaveAndStop(self.folder, self.options.save_every, self.options.keep, self.preemption))
        else:
            kwargs["enable_checkpointing"] = False
        return super().instantiate_trainer(**kwargs, callbacks=callbacks, logger=self._loggers(given.get("logger")))

    def _loggers(self, given: Any) -> list[Logger]:
        """Files always; TensorBoard where it is installed, unless other loggers or none are asked for."""
        files: list[Logger] = [MetricsLogger(self.folder)]
        if given is None or given is True:
            if importlib.util.find_spec("tensorboard") is None:
                return files
            return [*files, TensorBoardLogger(str(self.folder.path), name="", version="tensorboard")]
        given = given if isinstance(given, list) else [given]
        return files + [log for log in given if isinstance(log, Logger)]

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Continue from the newest checkpoint of the folder, or evaluate it.

        Raises:
            RunError: If there is nothing to evaluate.
        """
        words = super()._prepare_subcommand_kwargs(subcommand)
        words["weights_only"] = True if words.get("weights_only") is None else words["weights_only"]
        if words.get("ckpt_path") is None:
            newest = self.folder.latest_checkpoint()
            if newest is None and subcommand != "fit":
                raise RunError(
                    f"There is no checkpoint in {self.folder.checkpoints}. Run `fit` with the same configuration "
                    "first, or give --run.folder or --ckpt_path."
                )
            words["ckpt_path"] = None if newest is None else str(newest)
            if newest is not None:
                logger.info("%s %s", "Continuing from" if subcommand == "fit" else "Evaluating", newest)
            if subcommand == "fit" and newest == self.folder.checkpoint(self.trainer.max_steps):
                logger.info(
                    "This run is finished. Watch it in %s, or raise --trainer.max_steps to train it for longer.",
                    self.folder.page,
                )
        return words


class ParsingCLI(ExperimentCLI):
    """Parses as `fit` does, and makes nothing of it; what was parsed is kept by ``_open_folder``."""

    def _set_seed(self) -> None:
        """Nothing here is random."""

    def instantiate_classes(self) -> None:
        """Make nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""


@dataclass(frozen=True)
class _Refused:
    """Removes a folder again whose first start was refused, so that a mistake leaves nothing behind."""

    run: RunFolder

    def __call__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        begun = self.run.checkpoints.exists() or self.run.metrics.exists() or self.run.samples.exists()
        only_start = self.run.command.read_text(encoding="utf-8").count("# start of") == 1
        if isinstance(error, AsvaError) and only_start and not begun:
            shutil.rmtree(self.run.path)


def _count_in_steps(trainer: Namespace, options: Run) -> None:
    """The stream of clips is endless: training, validation and checkpoints are counted in optimizer steps.

    Raises:
        ConfigurationError: If nothing ends the training, or validation is counted in passes.
    """
    if trainer.max_steps in (-1, None) and trainer.max_time is None:
        raise ConfigurationError(
            "Nothing ends this training: the stream of clips is endless. Set --trainer.max_steps or --trainer.max_time."
        )
    if trainer.max_epochs not in (None, -1):  # -1 is what the configuration of a run folder holds
        raise ConfigurationError("Training is counted in steps, not passes: use --trainer.max_steps, not max_epochs.")
    none, every = 1_000_000_000, options.validate_every
    interval = none if every is None else every * trainer.accumulate_grad_batches
    if trainer.val_check_interval not in (None, interval):
        raise ConfigurationError(
            "Validation is counted in optimizer steps: use --run.validate_every, not --trainer.val_check_interval."
        )
    trainer.max_epochs = -1
    trainer.check_val_every_n_epoch = None
    trainer.val_check_interval = interval
    if every is None:
        trainer.limit_val_batches = 0


def run(args: list[str], preemption: Preemption | None = None) -> None:
    """Run one of ``fit``, ``validate``, ``test`` and ``predict``.

    Args:
        args: The words of the command line.
        preemption: The flag that signals set.

    Raises:
        ConfigurationError: If a configuration file does not exist.
        WorkFailed: If a worker that reads clips died.
        SystemExit: As jsonargparse does where a word or a key is unknown; with code 75 if asked to stop.
    """
    check_files(args)
    try:
        with ExitStack() as held:
            ExperimentCLI(args, preemption, held)
    except RuntimeError as error:
        death = explained_death(error)
        if death is None:
            raise
        raise death from error


def _refusal(error: BaseException) -> BaseException:
    """The error of ours behind an error of the parser; that error itself if there is none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, AsvaError):
        cause = cause.__cause__ or cause.__context__
    return cause or error


def _is_rank_zero() -> bool:
    """Whether this is the one process of the run that writes; known before there is a trainer."""
    return getattr(rank_zero_only, "rank", 0) == 0


def check_files(args: list[str]) -> None:
    """A missing configuration file deserves a better message than a parser's."""
    for place, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name in ("--config", "-c"):
            path = value if equals else (args[place + 1] if place + 1 < len(args) else "")
            if path and not Path(path).is_file() and "\n" not in path and ":" not in path:
                near = sorted(str(file) for file in Path("experiments").glob("**/*.yaml"))
                known = f" Recipes here: {', '.join(near)}." if near else ""
                raise ConfigurationError(f"The configuration {path} does not exist.{known}")
