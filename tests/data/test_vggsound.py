"""A list in the manner of VGGSound and a folder of downloads as a source of clips."""

import json

import pytest
from clip_files import write_clicking_square

from asva_lightning.data import VGGSound, build
from asva_lightning.errors import ConfigurationError, ShardsError


def listed(folder, *lines, **options):
    (folder / "videos").mkdir(exist_ok=True)
    (folder / "list.csv").write_text("\n".join(lines))
    return VGGSound(str(folder / "list.csv"), str(folder / "videos"), **options)


def test_lines_become_clips_and_missing_downloads_are_counted_and_no_failure(tmp_path):
    lines = ["-ab_1,30,dog barking,train", '"xyz",4,"playing violin, fiddle",test', *(
        f"gone{number},{number},dog barking,train" for number in range(12))]  # fmt: skip
    source = listed(tmp_path, *lines)
    write_clicking_square(tmp_path / "videos" / "-ab_1_000030.mp4", 0, seconds=2.5)
    write_clicking_square(tmp_path / "videos" / "xyz_000004.mp4", 1, seconds=2.5)
    report = build(source, tmp_path / "out")
    assert report.counts == {"train": 1, "test": 1}
    assert len(report.left_out) == 12
    assert report.exit_code == 0
    assert report.text.splitlines()[1].endswith("dog_barking/gone9_000009 and 2 more, 12 in all: was not downloaded")
    left_out = json.loads((tmp_path / "out" / "dataset.json").read_text())["left_out"]
    assert left_out[11] == {"key": "dog_barking/gone11_000011", "reason": "was not downloaded"}
    line = json.loads((tmp_path / "out" / "test.jsonl").read_text())
    assert (line["key"], line["text"]) == ("playing_violin,_fiddle/xyz_000004", "playing violin, fiddle")


def test_a_download_that_cannot_be_used_is_a_failure(tmp_path):
    source = listed(tmp_path, "a,1,dog,train", "b,2,dog,train")
    write_clicking_square(tmp_path / "videos" / "a_000001.mp4", 0, seconds=2.5)
    (tmp_path / "videos" / "b_000002.mp4").touch()
    assert build(source, tmp_path / "out").exit_code == 1


def test_downloads_may_have_other_names(tmp_path):
    source = listed(tmp_path, "a,1,dog,train", file="{id}_{start:06d}_{end:06d}.mkv")
    assert source.items()[0].origin == "a_000001_000011.mkv"
    with pytest.raises(ConfigurationError, match=r"file is '\{name\}', which is no pattern .* Compare '\{id\}_"):
        listed(tmp_path, "a,1,dog,train", file="{name}")


def test_wrong_lists_are_told(tmp_path):
    def told(*lines):
        with pytest.raises(ShardsError) as caught:
            listed(tmp_path, *lines).items()
        return str(caught.value)

    assert "line 2 has 3 cells, not 4: youtube id, start second, label, split" in told("a,1,dog,train", "b,2,dog")
    assert "line 1 is a, soon, dog, train, not youtube id" in told("a,soon,dog,train")
    assert "list.csv is empty. It holds youtube id" in told()
    assert "share the key 'dog/a_000001'" in told("a,1,dog,train", "a,1,dog,test")
    with pytest.raises(ShardsError, match="folder of downloads .*nowhere does not exist"):
        VGGSound(str(tmp_path / "list.csv"), str(tmp_path / "nowhere"))
    with pytest.raises(ShardsError, match=r"list .*nowhere\.csv does not exist"):
        VGGSound(str(tmp_path / "nowhere.csv"), str(tmp_path)).items()
