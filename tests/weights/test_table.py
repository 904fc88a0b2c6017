"""The table of weights is one: what the documents say is what the code says."""

import re
from pathlib import Path

import pytest

from asva_lightning.weights import as_markdown, known_weights

ROOT = Path(__file__).parent.parent.parent


def test_every_row_says_what_a_reader_needs():
    for key, row in known_weights().items():
        assert row.key == key
        for name in ("purpose", "source", "file", "licence", "note"):
            value = getattr(row, name)
            assert value == value.strip(), f"{key}.{name}"
            assert value, f"{key}.{name}"
            assert "|" not in value, f"{key}.{name}"
        assert row.gigabytes is None or 0 < row.gigabytes < 20
        assert row.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", row.sha256)


def test_sources_are_hub_ids_or_addresses():
    for row in known_weights().values():
        pattern = r"[\w-]+/[\w.-]+" if row.on_hub else r"https://[\w.-]+/\S+"
        assert re.fullmatch(pattern, row.source), row.key


@pytest.mark.parametrize(
    ("key", "licence"),
    [
        ("stable_diffusion", "CreativeML OpenRAIL-M"),
        ("imagebind_huge", "CC BY-NC-SA 4.0"),
        ("avsyncd_avsync15", "unstated (MIT badge, no licence file)"),
    ],
)
def test_licences(key, licence):
    assert known_weights()[key].licence == licence


def test_sizes_in_words():
    assert known_weights()["imagebind_huge"].size == "4.5 GB"
    assert known_weights()["i3d"].size == "size unknown"


def test_the_document_holds_the_table():
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    begin, end = "<!-- table -->\n", "<!-- end of table -->\n"
    assert page[page.index(begin) + len(begin) : page.index(end)] == as_markdown(), (
        "docs/weights.md differs from asva_lightning/weights/table.yaml. Put what as_markdown() returns between "
        f"{begin.strip()} and {end.strip()}."
    )
