"""Which weights a configuration needs, and which of them are here.

A class that reads weights says so in a class attribute ``needs``. Its keys are arguments: ``folder`` of the
constructor, ``from_stable_diffusion.folder`` of a class method. Its values are rows of the weights table, with the
parts that are read where that is not all: ``"stable_diffusion: text_encoder, tokenizer"``. A part may be followed by
``or itself``, where the folder of the part may be given in place of the one around it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asva_lightning.errors import WeightsError
from asva_lightning.training.doctor.text import Section, quantity
from asva_lightning.training.doctor.tree import Node, walk
from asva_lightning.weights import KnownWeights, find_file, find_folder, is_hub_id, known_weights
from asva_lightning.weights.locate import HUB_ID

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".tar")


@dataclass(frozen=True)
class Need:
    """Weights that one or several parts of a configuration read from one place.

    Args:
        row: Row of the weights table.
        source: What the configuration gives: a path, or an id of the Hub.
        parts: Sub-folders that are read; all if empty.
        users: Keys of the configuration that name the source.
    """

    row: KnownWeights
    source: str
    parts: tuple[str, ...]
    users: tuple[str, ...]


@dataclass(frozen=True)
class Located:
    """Where weights are.

    Args:
        need: What is needed.
        path: The file, or the folder that holds the parts; None if it is not on this machine.
        size: Bytes of what is read there.
        missing: What is wrong and what to type; None where nothing keeps the run from starting.
    """

    need: Need
    path: Path | None = None
    size: int = 0
    missing: str | None = None


def needs_of(node: Node) -> Iterator[Need]:
    """What one class of a configuration reads."""
    declared: Mapping[str, str] = getattr(node.owner, "needs", {})
    for name, value in declared.items():
        method, _, argument = name.rpartition(".")
        source = node.arguments.get(argument)
        if source is None or method != ("" if node.maker is node.owner else node.maker.__name__):
            continue
        key, _, parts = value.partition(": ")
        itself = parts.endswith(" or itself") and (Path(source).expanduser() / "config.json").is_file()
        named = () if itself else tuple(part.strip() for part in parts.removesuffix(" or itself").split(",") if part)
        yield Need(known_weights()[key], str(source), named, (f"{node.key}.{argument}",))


def needed(config: Any) -> list[Need]:
    """All that a configuration reads; parts of one folder are one need."""
    together: dict[tuple[str, str, bool], Need] = {}
    for need in (need for node in walk(config) for need in needs_of(node)):
        place = need.row.key, need.source, bool(need.parts)
        before = together.get(place, Need(need.row, need.source, (), ()))
        parts = tuple(dict.fromkeys(before.parts + need.parts))
        together[place] = Need(need.row, need.source, parts, before.users + need.users)
    return list(together.values())


def locate(need: Need) -> Located:
    """Look for weights on this machine; nothing is downloaded."""
    from huggingface_hub import constants

    cached, remote = _cached(need)
    if cached is None and remote and not constants.HF_HUB_OFFLINE:
        # Another id may as well be meant as a folder; nobody asks the Hub here.
        known = need.source.partition("@")[0] == need.row.source
        return Located(need, missing=None if known else _unknown(need))
    try:
        path = cached or _find(need)
    except WeightsError as error:
        return Located(need, missing=str(error))
    places = [path / part for part in need.parts] or [path]
    empty = [place for place in places if path.is_dir() and not _has_weights(place)]
    if empty:
        return Located(need, path, missing=f"{empty[0]} holds no weights ({', '.join(WEIGHTS)}). Fetch it again.")
    return Located(need, path, sum(size_of(place) for place in places))


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file())


def weights_section(located: Iterable[Located]) -> Section:
    """Every weight that is needed, and where it is."""
    section = Section("Weights")
    for found in located:
        need, row = found.need, found.need.row
        section.lines.append(f"{row.key} for {', '.join(need.users)}")
        parts = f" ({', '.join(need.parts)})" if need.parts else ""
        if found.missing is not None:
            section.stop(found.missing, indent="  ")
        elif found.path is not None:
            section.lines.append(f"  found: {found.path}{parts}, {quantity(found.size, 'B')}")
        else:
            section.lines.append(
                f"  not in the Hub's cache: {need.source}{parts} would be downloaded at the start, {row.size}, "
                f"licence: {row.licence}"
            )
    section.lines = section.lines or ["none: this configuration reads no pretrained weights"]
    return section


def _find(need: Need) -> Path:
    given = Path(need.source).expanduser()
    if not _is_folder(need.row):
        return find_file(need.source, need.row.key)
    if need.row.on_hub:
        return find_folder(need.source, need.row.key, need.parts)
    # What is on no Hub is never looked up there: an absolute path says so.
    return given if given.is_file() else find_folder(str(given.absolute()), need.row.key, need.parts)


def _unknown(need: Need) -> str:
    row = need.row
    included = "".join(f" --include '{part}/*'" for part in need.parts)
    return (
        f"{need.source} is not here and not in the Hub's cache. Needed: {', '.join(need.parts) or row.file} "
        f"({row.purpose}), {row.size}, licence: {row.licence}. If a folder is meant, type: "
        f"hf download {row.source}{included} --local-dir {need.source}. If a repository of the Hub is meant, fetch it "
        f"into the cache: hf download {need.source.partition('@')[0]}{included}."
    )


def _is_folder(row: KnownWeights) -> bool:
    return row.on_hub or not Path(row.file).suffix


def _cached(need: Need) -> tuple[Path | None, bool]:
    """Where the Hub's cache has it, and whether the source means the Hub at all."""
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import LocalEntryNotFoundError

    match = HUB_ID.fullmatch(need.source)
    if not _is_folder(need.row):
        here = need.source.startswith((".", "/", "~")) or Path(need.source).exists()
        if match is None or match["file"] is None or here:
            return None, False
        file = try_to_load_from_cache(match["id"], match["file"], revision=match["revision"])
        return (Path(file) if isinstance(file, str) else None), True
    if match is None or not need.row.on_hub or not is_hub_id(need.source):
        return None, False
    try:
        folder = Path(snapshot_download(match["id"], revision=match["revision"], local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None, True
    whole = all(_has_weights(folder / part) for part in need.parts or ("",))
    return (folder if whole else None), True


def _has_weights(place: Path) -> bool:
    """Whether a folder holds weights; what has no config.json, such as a tokenizer, needs none."""
    if not place.is_dir():
        return False
    files = list(place.rglob("*"))
    return any(file.suffix in WEIGHTS for file in files) or (
        bool(files) and not any(file.name == "config.json" for file in files)
    )
