"""How far a row is, read from its run folder."""

from dataclasses import dataclass
from functools import cached_property

from asva_lightning.runs.metrics_file import MetricsFile
from asva_lightning.studies.rows import Row


@dataclass(frozen=True)
class State:
    """How far a row was when it was looked at.

    Args:
        step: Step of the newest checkpoint; 0 if there is none, None if there is no folder.
        max_steps: Where training ends.
        tested: Whether the newest checkpoint was tested; True where no test is asked for.
    """

    step: int | None
    max_steps: int
    tested: bool = True

    @cached_property
    def trained(self) -> bool:
        """Whether training has come to its end, as `fit` tells it: by the checkpoint of the last step."""
        return self.step is not None and self.step >= self.max_steps

    @cached_property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.trained and self.tested

    def __str__(self) -> str:
        if self.step is None:
            return "not started"
        if self.done:
            return "done"
        return f"at step {self.step}{', not tested' if self.trained else ''}"


def state_of(row: Row, test: bool) -> State:
    """Look at a row.

    Args:
        row: The row; it does not matter who ran it.
        test: Whether it is to be tested too.

    Returns:
        How far it is.
    """
    if not row.folder.path.is_dir():
        return State(None, row.max_steps)
    newest = row.folder.latest_checkpoint()
    step = 0 if newest is None else int(newest.stem.removeprefix("step_"))
    return State(step, row.max_steps, not test or _is_tested(row, step))


def _is_tested(row: Row, step: int) -> bool:
    """Every task logs ``test/...`` at the steps behind the weights that it tests."""
    lines = MetricsFile(row.folder.metrics).read()
    return any(name.startswith("test/") for line in lines if line["step"] == step for name in line)
