"""Finding the generated files and their true clips."""

import unicodedata
from pathlib import Path

import pytest

from asva_lightning.errors import ConfigurationError
from asva_lightning.evaluation.pairing import pair
from asva_lightning.evaluation.references import Reference

REFERENCES = [Reference("dog/foo", "dog", "foo.mp4"), Reference("cat/bar", "cat", "bar.mp4")]


def keys(folder, references=REFERENCES):
    found = pair(str(folder), references)
    assert not found.extra
    return sorted(one.key for one in found.pairs)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "foo.mp4").touch()
    with pytest.raises(ConfigurationError, match=r"foo\.mp4 is a file\. Give the folder of the generated clips"):
        pair(str(tmp_path / "foo.mp4"), REFERENCES)


def test_endings_may_be_written_in_capitals(tmp_path):
    for name in ("dog/foo.MP4", "cat/bar_clip-00.Mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert [one.key for one in pair(str(tmp_path / "dog"), REFERENCES).pairs] == ["dog/foo"]
    assert [one.key for one in pair(str(tmp_path / "cat"), REFERENCES).pairs] == ["cat/bar_clip-00"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "store" / "of dogs").mkdir(parents=True)
    (tmp_path / "store" / "of dogs" / "foo.mp4").touch()
    generated = tmp_path / "generated"
    (generated / "cat").mkdir(parents=True)
    (generated / "cat" / "bar.mp4").touch()
    (generated / "dog").symlink_to(tmp_path / "store" / "of dogs")
    (generated / "cat" / "again").symlink_to(generated)
    assert keys(generated) == ["cat/bar", "dog/foo"]
    (tmp_path / "link").symlink_to(generated)
    assert keys(tmp_path / "link") == ["cat/bar", "dog/foo"]


@pytest.mark.parametrize(("true", "made"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("name", ["Möwe/Café.mp4", "Café.mp4", "Café_clip-00.mp4", "Möwe-Café-0_00.mp4"])
def test_an_accent_may_be_written_in_both_ways(true, made, name, tmp_path):
    reference = Reference(unicodedata.normalize(true, "Möwe/Café"), "gull", "x.mp4")
    path = tmp_path / unicodedata.normalize(made, name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    (one,) = pair(str(tmp_path), [reference], clips_per_reference=1).pairs
    assert one.reference == reference


def test_two_true_clips_that_differ_in_that_alone_are_told(tmp_path):
    references = [Reference(unicodedata.normalize(form, "Möwe/x"), "gull", f"{form}.mp4") for form in ("NFC", "NFD")]
    (tmp_path / "Möwe").mkdir()
    (tmp_path / "Möwe" / "x.mp4").touch()
    with pytest.raises(ConfigurationError, match="could belong to 2 true clips"):
        pair(str(tmp_path), references)


def test_a_file_in_the_folder_of_a_class_belongs_to_no_other_class(tmp_path):
    references = [Reference("dog/foo", "dog", "foo.mp4"), Reference("cat/bar", "cat", "bar.mp4")]
    for name in ("cat/foo.mp4", "cat/foo_clip-00.mp4", "elsewhere/bar.mp4", "dog/foo.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = pair(str(tmp_path), references)
    assert found.extra == ["cat/foo.mp4", "cat/foo_clip-00.mp4"]
    assert {Path(one.path).relative_to(tmp_path).as_posix(): one.key for one in found.pairs} == {
        "dog/foo.mp4": "dog/foo", "elsewhere/bar.mp4": "cat/bar",
    }  # fmt: skip


def test_one_folder_names_its_clips_in_one_way(tmp_path):
    references = [Reference("dog/foo", "dog", "foo.mp4"), Reference("cat/bar", "cat", "bar.mp4")]
    for name in ("foo_clip-00.mp4", "foo_clip-01.mp4", "bar.mp4", "foo.mp4"):
        (tmp_path / name).touch()
    found = pair(str(tmp_path), references, clips_per_reference=2)
    assert [one.key for one in found.pairs] == ["dog/foo_clip-00", "dog/foo_clip-01"]
    assert found.extra == ["bar.mp4", "foo.mp4"]
    assert found.missing == ["cat/bar_clip-00", "cat/bar_clip-01"]


def test_a_name_of_predict_that_fits_two_clips_is_refused(tmp_path):
    (tmp_path / "x-y-z-0_00.mp4").touch()
    references = [Reference("x/y-z", "x", "1.mp4"), Reference("x-y/z", "x-y", "2.mp4")]
    with pytest.raises(ConfigurationError, match="could belong to 2 true clips: x/y-z, x-y/z"):
        pair(str(tmp_path), references)
