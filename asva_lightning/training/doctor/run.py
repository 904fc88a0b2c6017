"""Which run folder `fit` would use, and where it would begin."""

import re
from pathlib import Path

from asva_lightning.runs.folder import (
    Change,
    RunFolder,
    changes_since,
    describe_changes,
    nearest_run,
    open_run,
)
from asva_lightning.runs.identity import Config
from asva_lightning.training.ckpt_path import longer
from asva_lightning.training.doctor.text import Section
from asva_lightning.training.experiment import Run


def run_section(options: Run, config: Config, max_steps: int | None) -> tuple[Section, int]:
    """Tell whether this configuration begins a run or continues one.

    Args:
        options: ``--run``.
        config: What names the run: the resolved configuration.
        max_steps: Where training ends; None where only the time ends it.

    Returns:
        The section, and the step at which `fit` would begin.
    """
    given = Path(options.folder) if options.folder else None
    run = open_run(Path(options.root), options.name, config, folder=given, writes=False)
    section = Section("Run")
    newest = None if options.fresh and given is None else run.latest_checkpoint()
    end = "until --trainer.max_time" if max_steps is None else f"to step {max_steps}"
    checkpoint = config.get("ckpt_path")
    if checkpoint:
        section.lines.append(f"{run.path}: starts from --ckpt_path {checkpoint}, {end}")
        if not Path(checkpoint).exists():
            section.stop("that checkpoint does not exist. Correct --ckpt_path.")
        return section, _step(Path(checkpoint))
    if newest is None:
        section.lines.append(f"{_place(run, options)}: a new run, from step 0 {end}")
        section.lines += _nearest(options, config) if given is None else []
        return section, 0
    step = _step(newest)
    done = max_steps is not None and step >= max_steps
    words = f"is finished at step {step}; {longer(run)}" if done else f"resumes at step {step}, {end}"
    section.lines.append(f"{run.path}: {words}")
    if given is not None:
        section.lines += _changes("it was begun with another configuration:", changes_since(run, config))
    return section, step


def _place(run: RunFolder, options: Run) -> str:
    if options.fresh and options.folder is None and run.path.exists():
        return f"a folder beside {run.path} (--run.fresh)"
    return str(run.path)


def _step(checkpoint: Path) -> int:
    match = re.fullmatch(r"step_(\d+)\.ckpt", checkpoint.name)
    return int(match[1]) if match else 0


def _nearest(options: Run, config: Config) -> list[str]:
    found = nearest_run(Path(options.root), options.name, config)
    return [] if found is None else _changes(f"the nearest run, {found[0]}, differs in:", found[1])


def _changes(title: str, changes: list[Change]) -> list[str]:
    return [title, *describe_changes(changes)] if changes else []
