"""Files that are never seen half written."""

import json
import os
import stat
from pathlib import Path

import pytest

from asva_lightning.files import append_line, read_json_lines, replace, write_bytes, write_text


def test_a_file_is_written_whole_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep" / "notes.txt"
    write_text(path, "première")
    write_text(path, "zweite\n")
    assert path.read_text(encoding="utf-8") == "zweite\n"
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_what_the_mask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_failed_replacement_keeps_the_old_file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")

    def fail() -> None:
        with replace(path) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".mp4"
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_appended_and_read(tmp_path):
    path = tmp_path / "new" / "lines.jsonl"
    assert read_json_lines(path) == []
    append_line(path, json.dumps({"a": 1}))
    append_line(path, json.dumps({"b": "ü\u2028"}, ensure_ascii=False))
    assert read_json_lines(path) == [{"a": 1}, {"b": "ü\u2028"}]


@pytest.mark.parametrize("torn", ['{"b": 2', '{"b": "\x00', "17", "\x00\x00"])
def test_a_torn_line_is_left_out_and_does_not_spoil_the_next(tmp_path: Path, torn: str, caplog):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n' + torn)
    assert read_json_lines(path) == [{"a": 1}]
    assert "lines.jsonl: line 2 is torn" in caplog.text
    append_line(path, '{"c": 3}')
    assert read_json_lines(path) == [{"a": 1}, {"c": 3}]
