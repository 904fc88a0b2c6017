"""A grid of settings as a list of named differences."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from asva_lightning.errors import ConfigurationError

Settings = dict[str, Any]
"""Dotted settings and their values."""


def expand(grid: Mapping[str, Sequence[Any]]) -> dict[str, Settings]:
    """Every combination of the values, named by them; the last setting changes fastest.

    Args:
        grid: Dotted setting to its values.

    Returns:
        Name to settings, such as ``audio_drop=0.2,heads=4``.

    Raises:
        ConfigurationError: If two combinations have one name, as where a value is given twice.
    """
    short = _short_names(list(grid))
    rows: dict[str, Settings] = {}
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values))
        name = ",".join(f"{short[key]}={text_of(value)}" for key, value in settings.items())
        if name in rows:
            raise ConfigurationError(
                f"two rows of the grid are called {name!r}. Remove the value that is given twice, or name the rows "
                "yourself under `differences`."
            )
        rows[name] = settings
    return rows


def text_of(value: Any) -> str:
    """A value as it is named: a class by its last name, everything else as YAML would have it."""
    if isinstance(value, Mapping) and value.get("class_path"):
        name = str(value["class_path"]).rpartition(".")[2]
        arguments = ",".join(f"{key}={text_of(part)}" for key, part in (value.get("init_args") or {}).items())
        return f"{name}({arguments})" if arguments else name
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short_names(keys: Sequence[str]) -> dict[str, str]:
    """For each dotted key its last part, or as many of its last parts as tell the keys apart."""
    parts = {key: [part for part in key.split(".") if part != "init_args"] for key in keys}
    for length in range(1, max(map(len, parts.values()), default=0) + 1):
        short = {key: ".".join(parts[key][-length:]) for key in keys}
        if len(set(short.values())) == len(keys):
            return short
    return {key: key for key in keys}
