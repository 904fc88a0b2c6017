"""What a file of results must hold before anything is computed from it."""

from collections.abc import Callable, Mapping
from typing import Any

NUMBER = (int, float)


def check_content(content: Any) -> None:
    """Check what was read from a file of results.

    Args:
        content: What JSON gave.

    Raises:
        ValueError: If a part is missing or of another kind, a measure has other clips than there are, or a measure of
            sets has no distance of all; and which.
    """
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, not an object")
    for name, (fits, kind) in _PARTS.items():
        if name not in content and name in _NEEDED:
            raise ValueError(f"`{name}` is missing")
        if name in content and not fits(content[name]):
            raise ValueError(f"`{name}` is not {kind}")
    _check_clips(content["values"], content["texts"])
    for name, scores in content.get("sets", {}).items():
        if "all" not in scores:
            raise ValueError(f"`sets` has no score of all clips for {name}")


def _check_clips(values: Mapping[str, Mapping[str, Any]], texts: Mapping[str, str]) -> None:
    """Every measure must have a value of every clip, be it null, or it would seem to have left none out."""
    for name, of_clips in values.items():
        for key in texts.keys() ^ of_clips.keys():
            without = f"`values` of {name}" if key in texts else "`texts`"
            raise ValueError(f"clip {key!r} is not in {without}")


def _mapping(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda part: isinstance(part, dict) and all(fits(value) for value in part.values())


def _list(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda part: isinstance(part, list) and all(fits(value) for value in part)


def _text(part: Any) -> bool:
    return isinstance(part, str)


def _number(part: Any) -> bool:
    """A number, or the null that stands for nan."""
    return part is None or (isinstance(part, NUMBER) and not isinstance(part, bool))


def _fact(part: Any) -> bool:
    return not isinstance(part, dict | list)


def _protocol(part: Any) -> bool:
    """Any object; what it says of measures is an object for each."""
    return isinstance(part, dict) and _mapping(lambda about: isinstance(about, dict))(part.get("measures", {}))


_NEEDED = ("values", "texts", "facts")

_PARTS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "values": (_mapping(_mapping(_number)), "an object of measures, each of clips and numbers"),
    "texts": (_mapping(_text), "an object of clips and texts"),
    "facts": (_mapping(_fact), "an object of texts and numbers"),
    "videos": (_mapping(_text), "an object of clips and videos"),
    "sets": (_mapping(_mapping(_mapping(_number))), "an object of measures, each of scores"),
    "set_draws": (_mapping(_list(_number)), "an object of measures, each with a list of numbers"),
    "excluded": (_mapping(_text), "an object of clips and reasons"),
    "missing": (_list(_text), "a list of names"),
    "extra": (_list(_text), "a list of names"),
    "protocol": (_protocol, "an object, with one for each of its `measures`"),
    "clip_facts": (_mapping(lambda facts: isinstance(facts, dict)), "an object of clips, each with its facts"),
    "versions": (_mapping(_text), "an object of names and versions"),
}
