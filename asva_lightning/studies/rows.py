"""The rows of a sweep: every difference with every seed, each a run folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asva_lightning.errors import AsvaError, ConfigurationError
from asva_lightning.runs.folder import RunFolder
from asva_lightning.studies.resolve import Resolved, resolve
from asva_lightning.studies.sweep_file import Difference, Sweep


@dataclass(frozen=True)
class Row:
    """One run of a sweep. Whoever starts it needs nothing but its words.

    Args:
        difference: Name of the difference.
        seed: Its seed.
        words: What follows ``fit`` (or ``test``) on the command line.
        folder: The run folder that this command takes; it need not exist.
        root: The folder of all runs.
        max_steps: Where its training ends.
        generates: The folder of shards that a first start generates, if it does.
    """

    difference: str
    seed: int
    words: tuple[str, ...]
    folder: RunFolder
    root: Path
    max_steps: int
    generates: Path | None = None

    @property
    def title(self) -> str:
        """What the row is called in messages."""
        return f"{self.difference}, seed {self.seed}"


def words_of(sweep: Sweep, difference: Difference, seed: int) -> tuple[str, ...]:
    """What follows ``fit`` on the command line of a row: base, difference, settings and seed, the later winning."""
    return (*sweep.base, *difference.words, *sweep.settings, f"--seed_everything={seed}")


def rows_of(sweep: Sweep) -> list[Row]:
    """Resolve every row of a sweep, and refuse what cannot be one.

    Args:
        sweep: The sweep.

    Returns:
        Its rows, difference by difference.

    Raises:
        ConfigurationError: If `fit` would refuse the settings of a row, if they cannot be those of a row, if rows have
            different folders of runs, or if two rows are the same run.
    """
    rows: list[Row] = []
    hashes: dict[Row, str] = {}
    for difference in sweep.differences:
        for seed in sweep.seeds:
            words = words_of(sweep, difference, seed)
            try:
                resolved = resolve(words)
                row = _row(difference.name, seed, words, resolved)
            except AsvaError as error:
                raise ConfigurationError(f"{sweep.name}: row {difference.name}, seed {seed}: {error}") from error
            rows.append(row)
            hashes[row] = resolved.hash
    _check_roots(sweep, rows)
    _check_same(sweep, rows, lambda row: str(row.folder.path))
    _check_same(sweep, rows, lambda row: (hashes[row], row.max_steps))
    return rows


def _row(difference: str, seed: int, words: tuple[str, ...], resolved: Resolved) -> Row:
    config, options = resolved.config, resolved.options
    max_steps = config["trainer"]["max_steps"]
    for refused, key, reason in (
        (options.folder, "run.folder", "each row has the folder of its configuration"),
        (options.fresh, "run.fresh", "a row that is done would begin anew at every start"),
        (config.get("ckpt_path"), "ckpt_path", "a row that was stopped continues from its own checkpoint"),
    ):
        if refused:
            raise ConfigurationError(f"{key} is set. Remove it: {reason}.")
    if max_steps in (None, -1):
        raise ConfigurationError(
            "trainer.max_steps is not set. A row is done when it has made that many steps: set it."
        )
    shards = config["data"].get("shards")
    generates = Path(shards) if config["data"].get("generator") and isinstance(shards, str) else None
    return Row(difference, seed, words, resolved.folder, Path(options.root), int(max_steps), generates)


def _check_roots(sweep: Sweep, rows: Sequence[Row]) -> None:
    roots = {row.root: row for row in rows}
    if len(roots) > 1:
        places = "; ".join(f"{row.title}: {root}" for root, row in roots.items())
        raise ConfigurationError(f"{sweep.name}: rows have different run.root ({places}). Set it under `settings`.")


def _check_same(sweep: Sweep, rows: Sequence[Row], key: Callable[[Row], object]) -> None:
    """Two rows that are the same run would be trained once and counted twice."""
    groups: dict[object, list[str]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row.title)
    same = [" and ".join(titles) for titles in groups.values() if len(titles) > 1]
    if same:
        raise ConfigurationError(
            f"{sweep.name}: rows that are the same run:\n  "
            + "\n  ".join(same)
            + "\nThey differ in nothing that changes "
            "what is learnt (asva_lightning/runs/identity.py lists what does not). Remove a row of each pair; to train "
            "one configuration for different numbers of steps, give each another run.name."
        )
