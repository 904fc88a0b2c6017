"""A folder of media files as a source of clips."""

import shutil

import pytest
from clip_files import CLASSES, write_clicking_square

from asva_lightning.data import ClipItem, MediaFolder
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def source(folder, **options):
    return MediaFolder(str(folder), **options)


def splits(items):
    return {item.key: item.split for item in items}


def test_the_layout_of_avsync15(clip_folder):
    items = source(clip_folder).items()
    assert [item.split for item in items] == ["train"] * 9 + ["test"] * 3
    assert {item.category: item.text for item in items} == CLASSES
    assert items[0] == ClipItem(
        "dog_barking/clip0_000010_000020-0_5_3_5",
        "train",
        "dog_barking",
        "dog barking",
        "dog_barking/clip0_000010_000020-0.5_3.5.mp4",
    )


def test_a_good_file_is_taken_as_it_is(clip_folder, tmp_path):
    folder = source(clip_folder)
    item = folder.items()[0]
    made = folder.make(item, tmp_path)
    assert made.path == str(clip_folder / "videos" / item.origin)
    assert made.seconds == pytest.approx(3, abs=0.05)
    assert made.fps == pytest.approx(12)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("listed", [False, True])
def test_folders_of_splits_with_and_without_lists(tmp_path, listed):
    touch(tmp_path, "videos/train/rain/1.mp4", "videos/train/sea/2.webm", "videos/test/rain/3.mp4")
    if listed:
        (tmp_path / "train.txt").write_text("rain/1.mp4\r\nsea/2.webm\r\n")
        (tmp_path / "test.txt").write_text("rain/3.mp4\n\n")
    items = source(tmp_path).items()
    assert splits(items) == {"rain/1": "train", "sea/2": "train", "rain/3": "test"}
    assert all((source(tmp_path).root / item.origin).is_file() for item in items)
    assert {item.text for item in items} == {"rain", "sea"}


def test_plain_folders_are_split_by_name_for_good(tmp_path):
    touch(tmp_path, *(f"{kind}/{number}.mp4" for kind in ("dog", "cat_meowing") for number in range(200)), "notes.txt")
    before = splits(source(tmp_path, test_share=0.2).items())
    assert len(before) == 400
    assert 0.14 < list(before.values()).count("test") / 400 < 0.26
    touch(tmp_path, *(f"bird/{number}.MP4" for number in range(50)))
    after = splits(source(tmp_path, test_share=0.2).items())
    assert len(after) == 450
    assert before.items() <= after.items()
    assert set(splits(source(tmp_path, test_share=0.0).items()).values()) == {"train"}


def test_folders_that_are_links_are_followed(tmp_path):
    touch(tmp_path, "disk/rain/1.mp4", "clips/sea/2.MP4")
    (tmp_path / "clips" / "rain").symlink_to(tmp_path / "disk" / "rain")
    assert [item.key for item in source(tmp_path / "clips").items()] == ["rain/1", "sea/2"]


def test_a_flat_folder_is_one_class_of_its_name(tmp_path, monkeypatch):
    touch(tmp_path / "hitting_with_a_stick", "one.mp4")
    for path in (tmp_path / "hitting_with_a_stick", "."):
        monkeypatch.chdir(tmp_path / "hitting_with_a_stick")
        item = source(path).items()[0]
        assert (item.key, item.text) == ("hitting_with_a_stick/one", "hitting with a stick")
        assert source(path).describe()["path"] == "hitting_with_a_stick"


def test_class_texts_are_taken_where_given(tmp_path):
    touch(tmp_path, "dog_barking/1.mp4", "sea/1.mp4")
    (tmp_path / "class_mapping.json").write_text('{"dog_barking": "a dog that barks"}')
    assert {item.text for item in source(tmp_path).items()} == {"a dog that barks", "sea"}


@pytest.mark.parametrize(
    ("content", "message"), [("{", "class_mapping.json is no JSON"), ("[1]", "class_mapping.json holds no JSON object")]
)
def test_bad_class_texts_are_refused(tmp_path, content, message):
    touch(tmp_path, "dog/1.mp4")
    (tmp_path / "class_mapping.json").write_text(content)
    with pytest.raises(ShardsError, match=f"{message}.* It maps folder names to class texts"):
        source(tmp_path).items()


def test_two_clips_of_one_key_are_refused(tmp_path):
    touch(tmp_path, "dog/1.5.mp4", "dog/1_5.mp4")
    with pytest.raises(ShardsError, match="share the key 'dog/1_5'. Rename one of the files"):
        source(tmp_path).items()


def test_an_empty_list_is_refused(tmp_path):
    touch(tmp_path, "dog/1.mp4")
    (tmp_path / "train.txt").write_text(" \n")
    with pytest.raises(ShardsError, match="list .*train.txt is empty. Name one <class>/<file> a line, or delete it"):
        source(tmp_path).items()


def test_a_folder_without_media_or_none_at_all_is_refused(tmp_path):
    touch(tmp_path, "dog/readme.txt")
    with pytest.raises(ShardsError, match=r"No media files under .*dog_barking/1\.mp4; known endings are .*\.mp4"):
        source(tmp_path).items()
    with pytest.raises(ShardsError, match="folder of clips .*nowhere does not exist"):
        source(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="--test_share must be at least 0 and less than 1, not 1"):
        source(tmp_path, test_share=1)


def reason(folder, file, **options):
    with pytest.raises(MediaError) as caught:
        source(folder, **options).make(ClipItem("dog/1", "train", "dog", "dog", file), folder)
    assert caught.value.path.endswith(file)
    return caught.value.reason


def test_clips_that_cannot_be_used_say_why(tmp_path, clip_folder):
    whole = min((clip_folder / "videos").rglob("*.mp4"))
    write_clicking_square(tmp_path / "silent.mp4", 0, sound=False, seconds=2.5)
    write_clicking_square(tmp_path / "short.mp4", 0, seconds=1.0)
    (tmp_path / "garbage.mp4").write_bytes(b"\xa5" * 5000)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-3000])
    touch(tmp_path, "empty.mp4")
    assert reason(tmp_path, "missing.mp4") == "the list names this file, but it does not exist"
    assert reason(tmp_path, "silent.mp4") == "has no sound"
    assert "s long, shorter than 2 s" in reason(tmp_path, "short.mp4")
    assert "cannot be read: Invalid data" in reason(tmp_path, "garbage.mp4")
    assert reason(tmp_path, "empty.mp4") == "is empty (0 bytes)."
    assert reason(tmp_path, "cut.mp4", minimum_seconds=2.9)
    shutil.copy(whole, tmp_path / "whole.mp4")
    assert source(tmp_path).make(ClipItem("dog/1", "train", "dog", "dog", "whole.mp4"), tmp_path)


def test_a_file_with_sound_but_no_picture_says_so(tmp_path, clip_folder):
    import av

    with (
        av.open(str(min((clip_folder / "videos").rglob("*.mp4")))) as both,
        av.open(str(tmp_path / "sound.mp4"), "w") as sound,
    ):
        stream = sound.add_stream_from_template(both.streams.audio[0])
        for packet in both.demux(both.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                sound.mux(packet)
    assert reason(tmp_path, "sound.mp4") == "has no picture"


def test_a_description_names_what_makes_another_data_set_and_no_more(tmp_path):
    about = source(tmp_path, pattern="*_thumb.mp4", expect={"train": 3}).describe()
    usual = {"source": "folder", "path": tmp_path.name, "test_share": 0.1, "minimum_seconds": 2.0}
    assert about == usual | {"pattern": "*_thumb.mp4"}
