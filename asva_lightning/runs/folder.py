"""The folder of a run: how it is chosen, what lies in it, and where to resume."""

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from asva_lightning.errors import ConfigurationError, RunError
from asva_lightning.files import write_text
from asva_lightning.runs.identity import Config, differences, run_hash
from asva_lightning.runs.provenance import describe_code, describe_command, describe_environment
from asva_lightning.weights.checkpoint_files import latest_checkpoint, numbered_checkpoints

logger = logging.getLogger(__name__)

Change = tuple[str, Any, Any]
"""A key, its value there, its value here."""


@dataclass(frozen=True)
class RunFolder:
    """Names of everything that lies in a run folder.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of ``step_000500.ckpt``: files, or folders where DeepSpeed writes them."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of ``step_000500/<clip>.mp4`` and ``<clip>.json``."""
        return self.path / "samples"

    def predictions(self, step: int) -> Path:
        """Folder of ``<clip>.mp4`` and ``<clip>.json`` that ``predict`` makes with the weights of a step."""
        return self.path / "predictions" / f"step_{step:06d}"

    @property
    def metrics(self) -> Path:
        """Scalars by step, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def config(self) -> Path:
        """The resolved configuration of the newest start."""
        return self.path / "config.yaml"

    @property
    def command(self) -> Path:
        """The command of every start."""
        return self.path / "command.txt"

    @property
    def code(self) -> Path:
        """Version, commit and uncommitted changes, of every start that changed them."""
        return self.path / "code.txt"

    @property
    def environment(self) -> Path:
        """Machine and packages, of every start that changed them."""
        return self.path / "environment.txt"

    @property
    def page(self) -> Path:
        """The page to look at in a browser."""
        return self.path / "index.html"

    @property
    def bad_clips(self) -> Path:
        """Clips that could not be read, one JSON object a line."""
        return self.path / "bad_clips.jsonl"

    def checkpoint(self, step: int) -> Path:
        """Path of the checkpoint of a step."""
        return self.checkpoints / f"step_{step:06d}.ckpt"

    def numbered_checkpoints(self) -> list[tuple[int, Path]]:
        """Each ``step_*.ckpt`` with its step, in the order of steps; files of other names are somebody's own."""
        return numbered_checkpoints(self.checkpoints)

    def set_aside(self, later_than: int) -> list[Path]:
        """Rename the checkpoints behind a step to which a run goes back, so that no later start resumes from them.

        Args:
            later_than: The step.

        Returns:
            Their new paths: ``aside_step_005000.ckpt``, and ``aside2_...`` where that exists.
        """
        moved = []
        for step, path in self.numbered_checkpoints():
            if step > later_than:
                names = (f"aside{number}_{path.name}" for number in ("", *range(2, 10_000)))
                moved.append(next(new for name in names if not (new := path.with_name(name)).exists()))
                path.rename(moved[-1])
        return moved

    def latest_checkpoint(self) -> Path | None:
        """Find the newest complete checkpoint by the step in its name; unfinished ones are passed over.

        Returns:
            A file or a DeepSpeed folder, or None if there is nothing to resume from.
        """
        return latest_checkpoint(self.checkpoints)


def open_run(
    root: Path,
    name: str,
    config: Config,
    *,
    folder: Path | None = None,
    fresh: bool = False,
    writes: bool = True,
    hold: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Choose the folder of a run: the one that this configuration has already, or a new one.

    The folder is ``root/<name>-<hash>``; fresh starts of the same configuration get ``-2``, ``-3``, and so on, and the
    start command without ``fresh`` continues the newest of them. Configuration, command, code version and environment
    are written down before anything else happens.

    Args:
        root: Folder of all runs.
        name: Name of the experiment.
        config: The resolved configuration of the subcommand.
        folder: Take this folder, whatever the configuration.
        fresh: Begin a new folder even if the configuration has one. A job that SLURM has requeued continues instead.
        writes: Whether this process may write. Only one process of a run (rank zero) does; the others pass False.
        hold: Takes the folder, such as its lock, before anything is written into it. What it raises leaves the files
            of a run that goes on as they were.

    Returns:
        The folder. It exists if ``writes``.

    Raises:
        ConfigurationError: If the name cannot be the name of a folder.
        RunError: If the folder is a file, or a process that may not write should choose a fresh folder.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigurationError(f"{name!r} cannot name a run. Use letters, digits, '.', '_' and '-' in --run.name.")
    run = RunFolder(folder or _choose(root, name, config, fresh, writes))
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"{run.path} is a file. Give a folder in --run.folder.")
    if writes:
        nearest = nearest_run(root, name, config) if folder is None else None
        if hold is not None:
            hold(run)
        if nearest is not None:
            _mention_nearest(root, run, *nearest)
        elif folder is not None:
            _mention_changes(config, run)
        _write_start(config, run)
    return run


def _choose(root: Path, name: str, config: Config, fresh: bool, writes: bool) -> Path:
    first = root / f"{name}-{run_hash(config)}"
    numbered = {1: first} if first.exists() else {}
    for path in root.glob(f"{first.name}-*"):
        number = path.name.removeprefix(f"{first.name}-")
        if number.isdigit():
            numbered[int(number)] = path
    if not numbered or not fresh or is_requeued():
        return numbered[max(numbered)] if numbered else first
    if not writes:
        raise RunError("Only the process that writes can begin a fresh folder. Give the others the one it chose.")
    return root / f"{first.name}-{max(numbered) + 1}"


def is_requeued() -> bool:
    """Whether SLURM has started this job before: its words are to continue what they have begun."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0


def nearest_run(root: Path, name: str, config: Config) -> tuple[Path, list[Change]] | None:
    """Where a configuration is new, the run of that name that differs least from it.

    Args:
        root: Folder of all runs.
        name: Name of the experiment.
        config: The resolved configuration.

    Returns:
        Its folder, and each key that differs with its value there and here; ``None`` if this configuration has a run
        already, or there is no run of that name.
    """
    pattern = re.compile(re.escape(name) + r"-[0-9a-f]{8}(-\d+)?")
    others = [path for path in sorted(root.glob("*")) if pattern.fullmatch(path.name)]
    if not others or any(path.name.startswith(f"{name}-{run_hash(config)}") for path in others):
        return None
    compared = [(path, differences(_read_config(path / "config.yaml"), config)) for path in others]
    return min(compared, key=lambda pair: len(pair[1]))


def changes_since(run: RunFolder, config: Config) -> list[Change]:
    """Each key that differs from the newest start of a run, with its value there and here."""
    return differences(_read_config(run.config), config) if run.config.exists() else []


def describe_changes(changes: list[Change]) -> list[str]:
    """A line for each change."""
    return [f"  {key}: {old!r} there, {new!r} here" for key, old, new in changes]


def _mention_nearest(root: Path, run: RunFolder, nearest: Path, changes: list[Change]) -> None:
    """Where a configuration is new, say how it differs from what was run under that name."""
    logger.warning(
        "No run in %s has this configuration, so %s begins. The nearest, %s, differs in:\n%s\n"
        "To continue that one all the same, add --run.folder=%s.",
        root, run.path.name, nearest.name, "\n".join(describe_changes(changes)), nearest,
    )  # fmt: skip


def _mention_changes(config: Config, run: RunFolder) -> None:
    """Where a folder was given by hand, say what is no longer as it was."""
    changes = changes_since(run, config)
    if changes:
        text = "\n".join(describe_changes(changes))
        logger.warning("%s was begun with another configuration:\n%s", run.path, text)


def _read_config(path: Path) -> Config:
    if not path.exists():
        return {}
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _write_start(config: Config, run: RunFolder) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    write_text(run.config, yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True))
    for path, text in (
        (run.command, describe_command() + "\n"),
        (run.code, describe_code()),
        (run.environment, describe_environment()),
    ):
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if path == run.command or not before.endswith(text):
            start = datetime.now().astimezone().isoformat(timespec="seconds")
            write_text(path, f"{before}# start of {start}\n{text}")


def _plain(value: Any) -> Any:
    """The same tree of types that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
