"""The classes that a resolved configuration names, without making objects of them."""

import inspect
import pkgutil
from argparse import ArgumentError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asva_lightning.errors import ConfigurationError, refusal_behind


@dataclass(frozen=True)
class Node:
    """One ``class_path`` of a configuration.

    Args:
        key: Where it stands, such as ``model.denoiser``, without the ``init_args`` levels.
        config: ``class_path`` and ``init_args`` as they stand there.
        maker: What the class path means: a class, a class method that makes one, or a function.
        owner: The class; ``object`` for a function.
    """

    key: str
    config: Mapping[str, Any]
    maker: Callable[..., Any]
    owner: type

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the maker."""
        return self.config.get("init_args") or {}


def walk(tree: Any, key: str = "") -> Iterator[Node]:
    """Every class of a configuration, the outer ones first.

    Args:
        tree: Plain dictionaries, lists and values.
        key: Where the tree stands.

    Raises:
        ConfigurationError: If a class does not exist.
    """
    if isinstance(tree, Mapping):
        if isinstance(tree.get("class_path"), str):
            yield _node(tree, key)
        for name, part in tree.items():
            yield from walk(part, key if name == "init_args" else f"{key}.{name}".lstrip("."))
    elif isinstance(tree, list | tuple):
        for place, part in enumerate(tree):
            yield from walk(part, f"{key}.{place}")


def instantiate(config: Any, kind: type, subclass: bool = True) -> Any:
    """Make one part of a configuration.

    Args:
        config: Its ``class_path`` and ``init_args``, or its arguments.
        kind: What it must be.
        subclass: Whether the configuration names the class, or ``kind`` is it.

    Raises:
        AsvaError: If the part refuses its settings; its own message.
    """
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    add = parser.add_subclass_arguments if subclass else parser.add_class_arguments
    add(kind, "part")
    try:
        return parser.instantiate_classes(parser.parse_object({"part": config})).part
    except (ValueError, ArgumentError) as error:
        raise refusal_behind(error) or ConfigurationError(str(error)) from error


def _node(config: Mapping[str, Any], key: str) -> Node:
    path = config["class_path"]
    try:
        maker = pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{key} names the class {path}, which does not exist ({error}).") from error
    owner = maker if inspect.isclass(maker) else getattr(maker, "__self__", object)
    return Node(key, config, maker, owner if inspect.isclass(owner) else object)
