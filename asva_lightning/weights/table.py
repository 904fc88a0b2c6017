"""The one table of pretrained weights: what each is for, where it comes from, under which licence."""

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

import yaml


@dataclass(frozen=True)
class KnownWeights:
    """A row of the table.

    Args:
        key: Name of the row.
        purpose: What these weights are and what they are used for.
        source: A Hub id ``org/name``, or the address of the file or of the page that links to it.
        file: File, or folders, to take from the source.
        gigabytes: Size in GB (10^9 bytes) of what is fetched; ``None`` where it is not known.
        licence: Under which terms the source gives them.
        sha256: Of the file, where it is known.
        note: What else one should know.
    """

    key: str
    purpose: str
    source: str
    file: str
    gigabytes: float | None
    licence: str
    sha256: str | None
    note: str

    @property
    def on_hub(self) -> bool:
        """Whether the source is a repository of the Hugging Face Hub."""
        return "://" not in self.source

    @property
    def size(self) -> str:
        """The size in words."""
        return "size unknown" if self.gigabytes is None else f"{self.gigabytes:g} GB"


@cache
def known_weights() -> dict[str, KnownWeights]:
    """Every row of ``table.yaml``, by key."""
    text = files(__package__).joinpath("table.yaml").read_text(encoding="utf-8")
    return {key: KnownWeights(key=key, **row) for key, row in yaml.safe_load(text).items()}


def as_markdown() -> str:
    """The table for ``docs/weights.md``."""
    names = [field.name for field in fields(KnownWeights)]
    lines = [names, ["---"] * len(names)]
    for row in known_weights().values():
        source = f"[{row.source}](https://huggingface.co/{row.source})" if row.on_hub else f"<{row.source}>"
        size, digest = "" if row.gigabytes is None else f"{row.gigabytes:g}", f"`{row.sha256}`" if row.sha256 else ""
        lines.append([f"`{row.key}`", row.purpose, source, f"`{row.file}`", size, row.licence, digest, row.note])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
