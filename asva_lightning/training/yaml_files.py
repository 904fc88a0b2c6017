"""YAML files of settings, looked at before a parser takes them: what is wrong is told with file and line."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from asva_lightning.errors import ConfigurationError


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for name, _ in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name.value!r} is given twice", name.start_mark)
            seen.add(str(name.value))
        return super().construct_mapping(node, deep)


def read_yaml(file: Path) -> Any:
    """What a YAML file holds.

    Raises:
        ConfigurationError: If it is no text or no YAML, or gives a key twice; the message names the line, not the file.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _Loader)  # a SafeLoader, see above
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(f"{line}{error.problem}.") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise ConfigurationError("this is no text file. Give a YAML file.") from error


def order_hint(message: str) -> str:
    """What to add to a parser's message where the order of files may be the mistake; mostly nothing.

    Args:
        message: What the parser says.
    """
    if not re.fullmatch(r"Option '\S*init_args\.\S*' is not accepted", message):
        return ""
    return ". Is a file missing that names the class? Give the recipe first, and what is laid over it after it."


def check_recipe(file: Path) -> None:
    """Refuse a file that is no recipe or overlay.

    Raises:
        ConfigurationError: If it cannot be read, is empty, or holds no settings by name; the message names the file.
    """
    try:
        content = read_yaml(file)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if not isinstance(content, dict):
        met = "is empty" if content is None else f"holds a {type(content).__name__}"
        raise ConfigurationError(
            f"{file} {met}, where a configuration has keys such as trainer, model, data and run. Correct it, or leave "
            "it out."
        )
