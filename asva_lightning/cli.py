"""The front door: python -m asva_lightning COMMAND ..."""

import importlib
import logging
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

from asva_lightning import __version__
from asva_lightning.errors import AsvaError, refusal_behind

EXPERIMENT_COMMANDS = {
    "fit": "train, or continue the run that this configuration has",
    "validate": "loss on the validation clips with the newest checkpoint",
    "test": "loss and synchronisation scores on the test clips",
    "predict": "animate the test clips and write the videos",
    "doctor": "what fit with the same words needs and costs; makes and writes nothing",
}


class Command(NamedTuple):
    """A command that is a function.

    Args:
        target: ``module:function``; imported when the command is called.
        about: What it does, in a few words.
        positional: Whether parameters without a default are given without their names; ``None`` where the function
            takes the words themselves, as it reads a recipe.
    """

    target: str
    about: str
    positional: bool | None


COMMANDS = {
    "shards build": Command("asva_lightning.data.commands:build_shards", "make shards from a folder of clips", True),
    "shards info": Command("asva_lightning.data.commands:show_shards", "what a folder of shards holds", True),
    "shards lint": Command("asva_lightning.data.commands:lint_shards", "everything that can be wrong with them", True),
    "shards preview": Command("asva_lightning.data.commands:preview_shards", "a page to watch some clips on", True),
    "shards encode": Command("asva_lightning.training.encode:encode_shards", "latents once, for all trainings", None),
    "animate": Command("asva_lightning.training.animate:animate", "pictures and sounds in, videos out", False),
    "sweep": Command("asva_lightning.studies.command:sweep", "run differences x seeds; a table of scores", True),
    "evaluate": Command("asva_lightning.evaluation.commands:evaluate_clips", "scores of any system's clips", False),
    "report": Command("asva_lightning.evaluation.commands:compare_results", "two results, clip by clip", True),
    "follow swap": Command("asva_lightning.training.follow:follow_swap", "which sound made this video?", False),
    "follow delay": Command("asva_lightning.training.follow:follow_delay", "does motion move with its sound?", False),
    "export": Command("asva_lightning.training.export:export", "a model as a folder of safetensors", True),
}


def main(args: list[str] | None = None) -> None:
    """Run one command.

    Args:
        args: The words after ``python -m asva_lightning``; those of this process if not given.

    Raises:
        SystemExit: With a code other than 0 if the command failed or was asked to stop; 130 after Ctrl-C.
    """
    words = sys.argv[1:] if args is None else list(args)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return
    if words[0] == "--version":
        sys.stdout.write(f"asva-lightning {__version__}\n")
        return
    try:
        _dispatch(words)
    except AsvaError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(1) from error
    except ValueError as error:
        refusal = refusal_behind(error)  # a parser makes one of its own out of what a setting's class refuses
        if refusal is None:
            raise
        sys.stderr.write(f"error: {refusal}\n")
        raise SystemExit(1) from error
    except OSError as error:
        if error.filename is None:  # of no file, such as a broken connection: where it arose tells more
            raise
        path = error.filename if error.filename2 is None else error.filename2
        sys.stderr.write(f"error: cannot write or read {path}: {error.strerror or error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt as interrupt:
        # What works on a list says how far it came. The code is the shell's for a program that Ctrl-C ended.
        told = str(interrupt) or "started again, the same command goes on from what it has kept."
        sys.stderr.write(f"interrupted: {told}\n")
        raise SystemExit(130) from interrupt


def _dispatch(words: list[str]) -> None:
    """Import what the command needs, and nothing else, and run it."""
    if words[0] in EXPERIMENT_COMMANDS:
        _log_to_terminal()
        _run_experiment(words)
        return
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            _log_to_terminal()
            _call(COMMANDS[name], name, words[length:])
            return
    sys.stderr.write(f"error: there is no command {words[0]!r}.\n\n{_help()}")
    raise SystemExit(2)


def _run_experiment(words: list[str]) -> None:
    if words[0] == "doctor":
        from asva_lightning.training.doctor.command import doctor

        if code := doctor(words[1:]):
            raise SystemExit(code)
        return
    from asva_lightning.runs.preemption import Preemption

    # The signal that asks to stop may come while the imports below still run.
    with Preemption() if words[0] == "fit" else nullcontext() as preemption:
        from asva_lightning.training.experiment import run

        run(words, preemption)


def _call(command: Command, name: str, words: list[str]) -> None:
    """Parse the words by the function's signature and call it; what it returns is the exit code."""
    from jsonargparse import ArgumentParser, auto_cli

    class CommandParser(ArgumentParser):
        """A parser that offers a parameter such as ``as_``, a word that Python keeps for itself, as ``--as``.

        ``--shift_test`` may be written as ``--shift-test``, and a switch without a value is on.
        """

        def add_argument(self, *args: Any, **kwargs: Any) -> Any:
            if args and args[0].startswith("--") and args[0].endswith("_"):
                kwargs["dest"], args = args[0].lstrip("-"), (args[0].rstrip("_"), *args[1:])
            elif args and args[0].startswith("--") and "_" in args[0]:
                args = (args[0], args[0].replace("_", "-"), *args[1:])
            if kwargs.get("type") is bool:
                kwargs |= {"nargs": "?", "const": True}
            return super().add_argument(*args, **kwargs)

    module, _, function = command.target.partition(":")
    called: Callable[..., int | None] = getattr(importlib.import_module(module), function)
    prog = f"python -m asva_lightning {name}"
    if command.positional is None:
        code = called(words)
    else:
        code = auto_cli(called, args=words, prog=prog, as_positional=command.positional, parser_class=CommandParser)
    if code:
        raise SystemExit(code)


def _help() -> str:
    lines = ["Audio-synchronised visual animation.", "", "usage: python -m asva_lightning COMMAND [...]", ""]
    about = EXPERIMENT_COMMANDS | {name: command.about for name, command in COMMANDS.items()}
    lines += [f"  {name:<16}{text}" for name, text in about.items()]
    lines += ["", "COMMAND --help shows its settings. First steps: README.md, or", ""]
    lines += ["  python -m asva_lightning fit --config experiments/quickstart.yaml", ""]
    return "\n".join(lines)


class TerminalHandler(logging.Handler):
    """Writes to whatever standard error is at that moment, as one process may run several commands."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        sys.stderr.write(self.format(record) + "\n")


def _log_to_terminal() -> None:
    """Our own messages go to the terminal, without decoration."""
    package = logging.getLogger("asva_lightning")
    if not package.handlers:
        handler = TerminalHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        package.addHandler(handler)
        package.setLevel(logging.INFO)
        package.propagate = True
