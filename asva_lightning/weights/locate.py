"""Finding weights: a path on this machine, or a repository of the Hugging Face Hub."""

import re
from collections.abc import Sequence
from pathlib import Path

from asva_lightning.errors import WeightsError
from asva_lightning.weights.table import known_weights

HUB_ID = re.compile(r"(?P<id>[\w-][\w.-]*/[\w-][\w.-]*)(?:/(?P<file>[^@]+))?(?:@(?P<revision>[^@]+))?")

OTHER_KINDS = ("*.fp16.*", "*.non_ema.*")
"""Weights beside those of full precision that the Hub offers in the same folders; they would multiply a download."""

CONFIGURATION = ("*.json", "*.txt", "*.model")

PLANS = (("*.safetensors", OTHER_KINDS), ("*.bin", OTHER_KINDS), ("*.safetensors", ()), ("*.bin", ()))
"""What to fetch of a part, and what of that to leave out: the next plan where one has brought no weights."""


def is_hub_id(source: str) -> bool:
    """Whether a source means a repository of the Hub, ``org/name`` or ``org/name@revision``, and not a path here."""
    match = HUB_ID.fullmatch(source)
    return match is not None and match["file"] is None and not _starts_or_stands_here(source)


def find_folder(source: str, weights: str, parts: Sequence[str] = ()) -> Path:
    """Find a folder of weights.

    Args:
        source: A folder, or a Hub id ``org/name`` or ``org/name@revision``, which is fetched into the cache of
            ``huggingface_hub`` (or found there) under the rules of its environment variables. What begins with
            ``.``, ``/`` or ``~``, has more than one slash, or exists here is a folder and never looked up.
        weights: What the folder should hold: the key of a row of :func:`~asva_lightning.weights.known_weights`, or
            words for what the table cannot know, such as a model of one's own.
        parts: Sub-folders that are needed, such as ``unet``; without them, all that the folder has.

    Returns:
        The folder, in which the parts are.

    Raises:
        WeightsError: If the folder or a part of it is missing, or cannot be fetched.
    """
    if not is_hub_id(source):
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise missing(f"There is no folder {folder}.", weights, parts)
        return _check_parts(folder, str(folder), weights, parts)
    match = HUB_ID.fullmatch(source)
    assert match is not None
    prefixes = [f"{part}/" for part in parts] or [""]
    for kind, left_out in PLANS:
        wanted = [prefix + pattern for prefix in prefixes for pattern in (*CONFIGURATION, kind)]
        try:
            folder = _fetch_snapshot(match["id"], match["revision"], wanted, left_out)
        except _causes() as error:
            raise missing(_not_fetched(source, error), weights, parts, match["id"]) from error
        if _is_complete(folder, parts):
            break
    return _check_parts(folder, f"The Hub's {source}", weights, parts)


def find_file(source: str, weights: str) -> Path:
    """Find a weight file.

    Args:
        source: A file, or ``org/name/file`` of the Hub, optionally with ``@revision``. What begins with ``.``, ``/``
            or ``~``, exists here, or has a single slash is a path and never looked up.
        weights: What the file should hold, as for :func:`find_folder`.

    Returns:
        The file.

    Raises:
        WeightsError: If the file is missing, or cannot be fetched.
    """
    match = HUB_ID.fullmatch(source)
    if match is None or match["file"] is None or _starts_or_stands_here(source):
        path = Path(source).expanduser()
        if not path.is_file():
            raise missing(f"{path} {'is a folder, not a file' if path.is_dir() else 'does not exist'}.", weights)
        return path
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(match["id"], match["file"], revision=match["revision"]))
    except _causes() as error:
        raise missing(_not_fetched(source, error), weights, repository=match["id"]) from error


def _starts_or_stands_here(source: str) -> bool:
    return source.startswith((".", "/", "~")) or Path(source).exists()


def _is_complete(folder: Path, parts: Sequence[str]) -> bool:
    """Whether every network of the folder has weights; what has no config.json, such as a tokenizer, needs none."""
    places = [folder / part for part in parts] or [folder, *folder.iterdir()]
    networks = [place for place in places if (place / "config.json").is_file()]
    return all(any(file.suffix in (".safetensors", ".bin") for file in place.iterdir()) for place in networks)


def _check_parts(folder: Path, name: str, weights: str, parts: Sequence[str]) -> Path:
    for part in parts:
        if not (folder / part).is_dir():
            raise missing(f"{name} has no folder {part}.", weights, parts)
    return folder


def _fetch_snapshot(repository: str, revision: str | None, wanted: Sequence[str], left_out: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            repository, revision=revision, allow_patterns=list(wanted), ignore_patterns=list(left_out) or None
        )
    )


def _causes() -> tuple[type[Exception], ...]:
    """Whatever ``huggingface_hub`` and the network library below it raise for what is not there or not reachable."""
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    return (OSError, EntryNotFoundError, HFValidationError, *HfHubHTTPError.__bases__)


def _not_fetched(name: str, error: Exception) -> str:
    reason = str(error).strip().splitlines() or [""]
    return (
        f"{name} is no path here, is not in the Hub's cache on this machine, and could not be fetched "
        f"({type(error).__name__}: {reason[0]})."
    )


def missing(
    met: str, weights: str, parts: Sequence[str] = (), repository: str | None = None, otherwise: str = ""
) -> WeightsError:
    """The error for weights that are not there: what was met, what is needed, and what to type.

    Args:
        met: What was met, as a sentence.
        weights: What is needed, as for :func:`find_folder`.
        parts: Sub-folders that are needed.
        repository: Repository of the Hub that was asked, if one was.
        otherwise: What can be done without these weights, as a sentence.
    """
    row = known_weights().get(weights)
    if row is None:
        return WeightsError(
            f"{met} Needed: {', '.join(parts) or 'the folder'} of {weights}. "
            "Check the path; a repository of the Hub is written org/name."
        )
    if row.on_hub:
        choices = "".join(f" --include '{part}/*'" for part in parts)
        choices += "".join(f" --exclude '{kind}'" for kind in ("*.bin", *OTHER_KINDS)) if parts else ""
        advice = (
            f"On a machine with network access type: hf download {repository or row.source}{choices} "
            f"--local-dir FOLDER and give FOLDER; or give the Hub id {row.source}."
        )
    elif row.source.endswith(f"/{row.file}"):
        advice = f"Type: curl -L -O {row.source} and give the path of {row.file}."
    else:
        advice = f"Open {row.source}, fetch it, and give its path. {row.note}."
    return WeightsError(
        f"{met} Needed: {', '.join(parts) or row.file} ({row.purpose}) from {row.source}, {row.size}, "
        f"licence: {row.licence}. {advice} {otherwise}".rstrip()
    )
