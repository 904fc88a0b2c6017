"""The file that describes a sweep."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asva_lightning.errors import ConfigurationError
from asva_lightning.studies.grid import Settings, expand, text_of
from asva_lightning.training.yaml_files import read_yaml

KEYS = ("base", "differences", "grid", "seeds", "test", "scores", "settings")


@dataclass(frozen=True)
class Difference:
    """What sets some rows of a sweep apart from the base.

    Args:
        name: Its name, unique in the sweep.
        text: What is different, for people.
        words: The same for the command line of ``fit``.
    """

    name: str
    text: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says.

    Args:
        name: The name of the file, without its ending.
        base: Words that name the recipes, in the order in which they are merged.
        differences: What is compared.
        seeds: Each difference is run with each of them.
        settings: Words that are laid over every row.
        test: Whether ``test`` follows ``fit``.
        scores: Which scores the table shows, in this order.
    """

    name: str
    base: tuple[str, ...]
    differences: tuple[Difference, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...] = ()
    test: bool = False
    scores: tuple[str, ...] = ()


def read_sweep(file: Path) -> Sweep:
    """Read a sweep file and check everything that can be checked without the recipes.

    Args:
        file: A YAML file; docs/sweeps.md says what is in it. Paths in it are those of the current folder, or else lie
            beside the file.

    Returns:
        What it says.

    Raises:
        ConfigurationError: If it is missing or no YAML, gives a key twice, lacks a key or has one too many, or a value
            of another kind; the message names file and key.
    """
    try:
        return _Reader(file).read()
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error


class _Reader:
    """Reads one file; its errors leave out the file's name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.content = _load(file)
        self.settings = self._settings_of(self.content.get("settings") or {}, "settings")

    def read(self) -> Sweep:
        """The sweep, every key checked.

        Raises:
            ConfigurationError: If a key is unknown, missing or of another kind.
        """
        for key in self.content:
            if key not in KEYS:
                raise ConfigurationError(f"there is no key {key!r} in a sweep. It may have: {', '.join(KEYS)}.")
        if not re.fullmatch(r"\w[\w.-]*", self.file.stem):
            raise ConfigurationError(
                f"{self.file.stem!r} cannot name a folder of results. Use letters, digits, '.', '_' and '-'."
            )
        base = self.content.get("base")
        recipes = [base] if isinstance(base, str) else base
        if not isinstance(recipes, list) or not recipes:
            raise ConfigurationError("`base` must name a recipe, or a list of recipes that are merged in this order.")
        test = self.content.get("test", False)
        if not isinstance(test, bool):
            raise ConfigurationError(f"`test` must be true or false, not {test!r}.")
        return Sweep(
            self.file.stem,
            tuple(self._overlay(recipe, "base") for recipe in recipes),
            tuple(self._differences()),
            self._seeds(),
            _words(self.settings),
            test,
            self._scores(),
        )

    def _differences(self) -> list[Difference]:
        named, grid = self.content.get("differences"), self.content.get("grid")
        if (named is None) == (grid is None):
            met = "neither" if named is None else "both"
            raise ConfigurationError(f"there must be either `differences` or `grid`, not {met}.")
        if named is None:
            return [self._difference(name, settings) for name, settings in expand(self._grid(grid)).items()]
        if not isinstance(named, Mapping) or not named:
            raise ConfigurationError("`differences` must map names to differences; `{}` stands for the base itself.")
        return [self._difference(str(name), value) for name, value in named.items()]

    def _difference(self, name: str, value: Any) -> Difference:
        where = f"differences.{name}" if "differences" in self.content else f"row {name}"
        if not name or not name.isprintable():
            raise ConfigurationError(f"{name!r} cannot name a row. Use a name that can be printed on one line.")
        words: list[str] = []
        texts: list[str] = []
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str):
                words.append(self._overlay(part, where))
                texts.append(part)
                continue
            settings = self._settings_of(part, where)
            for key in settings.keys() & self.settings.keys():
                raise ConfigurationError(
                    f"{where} sets {key}, which `settings` lays over every row. Remove it from one of them."
                )
            words += _words(settings)
            texts += [f"{key}={text_of(setting)}" for key, setting in settings.items()]
        return Difference(name, ", ".join(texts) or "the base itself", tuple(words))

    def _grid(self, grid: Any) -> dict[str, list[Any]]:
        if not isinstance(grid, Mapping) or not grid:
            raise ConfigurationError("`grid` must map dotted settings to lists of values.")
        for key, values in grid.items():
            if not isinstance(values, list) or not values:
                raise ConfigurationError(f"grid.{key} must be a list of at least one value, not {values!r}.")
        return {str(key): values for key, values in grid.items()}

    def _seeds(self) -> tuple[int, ...]:
        seeds = self.content.get("seeds")
        if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
            raise ConfigurationError(f"`seeds` must be a list of at least one whole number, not {seeds!r}.")
        if twice := [seed for place, seed in enumerate(seeds) if seed in seeds[:place]]:
            raise ConfigurationError(f"`seeds` has {twice[0]} twice. Remove one.")
        return tuple(seeds)

    def _scores(self) -> tuple[str, ...]:
        scores = self.content.get("scores") or []
        if not isinstance(scores, list) or not all(isinstance(name, str) for name in scores):
            raise ConfigurationError(f"`scores` must be a list of names, such as test/loss, not {scores!r}.")
        if twice := [name for place, name in enumerate(scores) if name in scores[:place]]:
            raise ConfigurationError(f"`scores` has {twice[0]} twice. Remove one.")
        return tuple(scores)

    def _settings_of(self, value: Any, where: str) -> Settings:
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"{where} must map dotted settings to values, such as {{data.flip: 0}}, or (a difference) be the path "
                f"of a YAML file, not {value!r}."
            )
        if any(str(key) == "seed_everything" for key in value):
            raise ConfigurationError(f"{where} sets seed_everything, which `seeds` does for every row. Remove it.")
        return {str(key): part for key, part in value.items()}

    def _overlay(self, path: Any, where: str) -> str:
        """The word that names a YAML file."""
        for found in (Path(str(path)), self.file.parent / str(path)):
            if found.is_file():
                return f"--config={found}"
        raise ConfigurationError(f"{where}: {path} does not exist, neither here nor beside the sweep file.")


def _words(settings: Settings) -> tuple[str, ...]:
    """Settings as one overlay in a word, so that values keep their types and interpolations are resolved last."""
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        if whole := next((other for other in settings if key.startswith(f"{other}.")), None):
            raise ConfigurationError(f"{whole} is given as a whole, and {key} too. Remove one of them.")
        *groups, name = key.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    return (f"--config={json.dumps(tree, ensure_ascii=False, default=str)}",) if tree else ()


def _load(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ConfigurationError("this sweep file does not exist.")
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise ConfigurationError(f"a sweep has the keys {', '.join(KEYS)}, not {content!r}.")
    return {str(key): value for key, value in content.items()}
