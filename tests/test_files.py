"""Files that are never seen half written."""

import json
import os
import stat
from pathlib import Path

import pytest

from asva_lightning.files import append_line, media_files, read_json_lines, replace, write_bytes, write_text


def test_a_file_is_written_whole_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep" / "notes.txt"
    write_text(path, "première")
    write_text(path, "zweite\n")
    assert path.read_text(encoding="utf-8") == "zweite\n"
    write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert list(path.parent.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("鼓" * 83 + ".md")  # 252 bytes of 255
    write_text(path, "beat")
    assert path.read_text() == "beat"


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


def test_an_error_names_what_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for write in (write_text, append_line):
        with pytest.raises(NotADirectoryError) as met:
            write(tmp_path / "file" / "a.txt", "a")
        assert met.value.filename == str(tmp_path / "file")
        with pytest.raises(IsADirectoryError) as met:
            write(tmp_path / "folder", "a")
        assert (met.value.filename, met.value.filename2) == (str(tmp_path / "folder"), None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_told_with_the_name_of_the_file():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        append_line(Path("/dev/full"), "a")


def test_media_files_are_found_in_any_case_and_behind_links_but_not_hidden_ones(tmp_path):
    for name in ("real/a.mp4", "real/b.MP4", "real/c.json", "elsewhere/d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "real" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "real" / "circle").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "another").symlink_to(tmp_path / "elsewhere")
    found = [path.relative_to(tmp_path).as_posix() for path in media_files(tmp_path / "real", {".mp4"})]
    assert found == ["real/a.mp4", "real/another/d.mp4", "real/b.MP4"], "each folder once"
    assert media_files(tmp_path / "nowhere", {".mp4"}) == []
    (tmp_path / "real" / "._a.mp4").write_bytes(b"a resource fork of another system")
    assert len(media_files(tmp_path / "real", {".mp4"})) == len(found)
