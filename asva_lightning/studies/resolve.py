"""What `fit` would make of some words: the run folder, without a network being built or a file written."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import Namespace

from asva_lightning.errors import ConfigurationError
from asva_lightning.runs.folder import RunFolder, open_run
from asva_lightning.runs.identity import run_hash
from asva_lightning.training.experiment import BriefParser, ExperimentCLI, ParsingCLI, Run, check_files
from asva_lightning.training.option_check import check_options


@dataclass(frozen=True)
class Resolved:
    """A configuration of `fit`.

    Args:
        config: All settings, interpolations resolved, as plain dictionaries, lists and values.
        options: ``--run``.
        folder: The run folder that `fit` would take; it need not exist.
        hash: What the configuration is known by.
    """

    config: dict[str, Any]
    options: Run
    folder: RunFolder
    hash: str


def resolve(words: tuple[str, ...]) -> Resolved:
    """Parse words as `fit` does, in the same code, up to the choice of the run folder.

    Args:
        words: What would follow ``fit`` on the command line.

    Returns:
        What they mean.

    Raises:
        ConfigurationError: Where `fit` would refuse them before it builds a network, or parts that have no weights do
            not go together.
    """
    check_files(list(words))
    with ExitStack() as held:
        resolved = _Resolver(["fit", *words], None, held).resolved
    check_options(resolved.config)
    return resolved


class _Parser(BriefParser):
    """Raises where it would leave."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        # The line of the given value can hold a whole recipe.
        lines = [line for line in message.splitlines() if not line.strip().startswith("Given value")]
        raise ConfigurationError("\n".join(lines)) from ex


class _Resolver(ParsingCLI):
    """Keeps what was parsed."""

    resolved: Resolved

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {"fit": ExperimentCLI.subcommands()["fit"]}

    def setup_parser(self, *args: Any, **kwargs: Any) -> None:
        self.parser_class = _Parser
        super().setup_parser(*args, **kwargs)

    def _open_folder(self, config: Namespace) -> RunFolder:
        named = self.named_by()
        folder = open_run(Path(self.options.root), self.options.name, named, writes=False)
        self.resolved = Resolved(self.config_dump, self.options, folder, run_hash(named))
        return folder
