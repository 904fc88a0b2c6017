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
from asva_lightning.errors import AsvaError, ConfigurationError, RunError, refusal_behind
from asva_lightning.runs.folder import RunFolder, open_run
from asva_lightning.runs.lock import RunLock
from asva_lightning.runs.preemption import Preemption
from asva_lightning.training.callbacks import ProgressLines, SaveAndStop, SkippedClips, StopDiverged
from asva_lightning.training.changed_recipe import FollowRecipe
from asva_lightning.training.ckpt_path import check_loadable, find_checkpoint, finished, saved_before_requeue
from asva_lightning.training.interpolations import register_interpolations
from asva_lightning.training.metrics_logger import MetricsLogger
from asva_lightning.training.optimizer_check import check_optimizer
from asva_lightning.training.trainer_check import check_trainer, plain_refusals
from asva_lightning.training.yaml_files import check_recipe, order_hint

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
    """A parser that, on an error, says what is wrong and where to look, without listing every option.

    A name must be given in full, also below a class, for whose settings jsonargparse makes a parser of the same kind.
    """

    def __init__(self, *args: Any, allow_abbrev: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=allow_abbrev, **kwargs)

    def add_function_arguments(self, *args: Any, linked_targets: Any = None, **kwargs: Any) -> Any:
        """Add the arguments of a function that stands for a class, such as ``AVSyncUNet.from_stable_diffusion``.

        jsonargparse passes on which arguments are linked, as it does for classes, but takes it for classes only.
        """
        return super().add_function_arguments(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and leave with code 2."""
        sys.stderr.write(f"error: {message}{order_hint(message)}\nAll settings: python -m asva_lightning fit --help\n")
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
            raise refusal_behind(error) or ConfigurationError(" ".join(str(error).split())) from error

    def _parse_ckpt_path(self) -> None:
        """Take the configuration from files and words only: a checkpoint must not overrule the command line."""

    def before_instantiate_classes(self) -> None:
        """Choose the run folder, and refuse settings that cannot work before anything costs time."""
        config = self.config[self.subcommand]
        self.options = Run(**{key: value for key, value in vars(config.run).items()})
        derived = _counted_in_steps(config.trainer, self.options) if self.subcommand == "fit" else {}
        self.folder = self._open_folder(config)
        # Behind what the folder keeps, so that its configuration can be typed again, for whatever subcommand.
        config.trainer.update(Namespace(**derived, default_root_dir=str(self.folder.path)))

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
            hold=self._hold,
        )
        if training and _is_rank_zero():
            os.environ[FOLDER_VARIABLE] = str(run.path)
            self.held.callback(os.environ.pop, FOLDER_VARIABLE, None)
            logger.info("Run folder: %s", run.path)
        return run

    def _hold(self, run: RunFolder) -> None:
        """Lock the folder; one that held nothing before is removed again, still under the lock, if this is refused."""
        self.held.enter_context(RunLock(run.path))
        if {file.name for file in run.path.iterdir()} == {RunLock.NAME}:
            self.held.push(_Refused(run))

    def instantiate_classes(self) -> None:
        """Make the parts; if one refuses its settings, its own message is the error, not the parser's account of it."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            raise (refusal_behind(error) or error) from error

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add what every run has: its loggers, checkpoints, progress and the list of skipped clips."""
        given = self._get(self.config_init, "trainer")
        check_trainer(given)
        callbacks: list[Callback] = [*(given.get("callbacks") or []), SkippedClips(self.folder)]
        if not sys.stderr.isatty() and given.get("enable_progress_bar") is None:
            callbacks.append(ProgressLines())
            kwargs["enable_progress_bar"] = False
        if self.subcommand == "fit":
            check_optimizer(getattr(self.model, "make_optimizer", None), getattr(self.model, "make_schedule", None))
            callbacks.insert(0, StopDiverged(self.folder))  # before anything is made of weights that are no numbers
            callbacks.append(FollowRecipe())
            callbacks.append(SaveAndStop(self.folder, self.options.save_every, self.options.keep, self.preemption))
        else:
            kwargs["enable_checkpointing"] = False
        kwargs |= {"callbacks": callbacks, "logger": self._loggers(given.get("logger"))}
        with plain_refusals("--trainer"):
            return super().instantiate_trainer(**kwargs)

    def after_predict(self) -> None:
        """Say where the clips are."""
        logger.info("The clips are in %s", self.folder.predictions(self.model.steps_done))

    def _set_seed(self) -> None:
        """As Lightning does it.

        Raises:
            ConfigurationError: If the seed is none.
        """
        with plain_refusals("--seed_everything"):
            super()._set_seed()

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
            WeightsError: If the checkpoint is damaged, or of another model.
        """
        words = super()._prepare_subcommand_kwargs(subcommand)
        words["weights_only"] = True if words.get("weights_only") is None else words["weights_only"]
        given, training = words.get("ckpt_path"), subcommand == "fit"
        begin = self.folder.latest_checkpoint() if given is None else find_checkpoint(str(given))
        if begin is None and not training:
            raise RunError(
                f"There is no checkpoint in {self.folder.checkpoints}. Run `fit` with the same configuration "
                "first, or give --run.folder or --ckpt_path."
            )
        if begin is not None:
            steps = check_loadable(begin, self.model, training) if words["weights_only"] else 0
            if training and given is not None and (saved := saved_before_requeue(self.folder, steps)) is not None:
                begin, steps = saved, check_loadable(saved, self.model, training) if words["weights_only"] else 0
            logger.info("%s %s", "Continuing from" if training else "Evaluating", begin)
            if training and 0 < self.trainer.max_steps <= steps:
                logger.info(finished(steps, self.trainer.max_steps, self.folder))
        words["ckpt_path"] = None if begin is None else str(begin)
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
        if isinstance(error, AsvaError) and not begun:
            shutil.rmtree(self.run.path)


def _counted_in_steps(trainer: Namespace, options: Run) -> dict[str, Any]:
    """The stream of clips is endless: training, validation and checkpoints are counted in optimizer steps.

    Returns:
        The settings of the trainer that follow from it.

    Raises:
        ConfigurationError: If nothing ends the training, or validation is counted in passes.
    """
    if trainer.max_steps in (-1, None) and trainer.max_time is None:
        raise ConfigurationError(
            "Nothing ends this training: the stream of clips is endless. Set --trainer.max_steps or --trainer.max_time."
        )
    if trainer.max_epochs not in (None, -1):
        raise ConfigurationError("Training is counted in steps, not passes: use --trainer.max_steps, not max_epochs.")
    every = options.validate_every
    interval = 1_000_000_000 if every is None else every * trainer.accumulate_grad_batches
    if trainer.val_check_interval not in (None, interval):
        raise ConfigurationError(
            "Validation is counted in optimizer steps: use --run.validate_every, not --trainer.val_check_interval."
        )
    derived = {"max_epochs": -1, "check_val_every_n_epoch": None, "val_check_interval": interval}
    return derived | ({"limit_val_batches": 0} if every is None else {})


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


def _is_rank_zero() -> bool:
    """Whether this is the one process of the run that writes; known before there is a trainer."""
    return getattr(rank_zero_only, "rank", 0) == 0


def check_files(args: list[str]) -> None:
    """A configuration file that is missing, or none, deserves a better message than a parser's."""
    for place, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name in ("--config", "-c"):
            path = value if equals else (args[place + 1] if place + 1 < len(args) else "")
            if os.path.isfile(path):  # of pathlib's, one raises for settings that are written into the word
                check_recipe(Path(path))
            elif path and "\n" not in path and ":" not in path:
                near = sorted(str(file) for file in Path("experiments").glob("**/*.yaml"))
                known = f" Recipes here: {', '.join(near)}." if near else ""
                raise ConfigurationError(f"The configuration {path} does not exist.{known}")
