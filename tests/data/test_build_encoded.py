"""Building shards whose clips are encoded again."""

import json

import pytest
from clip_files import write_clicking_square

from asva_lightning.cli import main
from asva_lightning.data import MediaFolder, SynthSync, SynthSyncSource, build
from asva_lightning.data.clips import ClipReader, open_member
from asva_lightning.data.manifest import Dataset
from asva_lightning.media import ClipFormat, Encoding, probe

FORMAT = ClipFormat(frames=6, fps=6, height=24, width=24)


@pytest.fixture(scope="module")
def encoded(clip_folder, tmp_path_factory):
    """Shards of the clip folder, encoded again at 24 px, by the words that a user types."""
    out = tmp_path_factory.mktemp("encoded") / "out"
    main(["shards", "build", str(clip_folder), str(out), "--height", "24", "--gop", "4", "--workers", "1"])
    return out


def test_clips_are_small_and_hold_the_same(encoded, shards):
    large, small = (Dataset.open(folder).samples("test") for folder in (shards, encoded))
    assert [sample.key for sample in small] == [sample.key for sample in large]
    for one, other in zip(large, small):
        info = probe(open_member(other))
        assert (info.height, info.width, info.sound_codec, info.sample_rate) == (24, 32, "flac", 16_000)
        assert other.media == "mp4"
        assert other.seconds == pytest.approx(one.seconds, abs=0.03)
        clips = [ClipReader(FORMAT).read(sample, 1.0, 0) for sample in (one, other)]
        assert (clips[0].pixels.float() - clips[1].pixels.float()).abs().mean() < 6
        assert (clips[0].waveform - clips[1].waveform).abs().mean() < 0.002
    encoding = json.loads((encoded / "dataset.json").read_text())["made_from"]["encoding"]
    assert encoding == {"height": 24, "width": None, "gop": 4, "quality": 18, "sound_rate": 16_000}


def test_what_a_source_makes_is_encoded_again_and_its_own_file_removed(tmp_path):
    clips = SynthSync(kinds=["lamp"], train=1, validation=0, test=1, height=32, width=32)
    kept = []

    class Watched(SynthSyncSource):
        def make(self, item, folder):
            kept.extend(path.relative_to(folder).parts[0] for path in folder.rglob("*.mp4"))
            return super().make(item, folder)

    out = build(Watched(clips), tmp_path / "out", encoding=Encoding(16, sound_rate=None)).output
    sample = Dataset.open(out).samples("train")[0]
    assert probe(open_member(sample)).height == 16
    assert sample.extra["onsets"] == clips.render("train", 0).description()["onsets"]
    assert kept == ["encoded"]


def test_options_without_a_height_are_told_to_have_no_effect(clip_folder, tmp_path, capsys):
    main(["shards", "build", str(clip_folder), str(tmp_path / "out"), "--gop", "3", "--workers", "1", "--media", "x"])
    told = capsys.readouterr().err
    assert "--width, --gop, --quality and --sound_rate have no effect without --height." in told
    assert f"--media and --columns have no effect: {clip_folder} is no table." in told


def test_a_clip_without_sound_is_left_out_whatever_is_asked(tmp_path):
    write_clicking_square(tmp_path / "in" / "dog" / "silent.mp4", 0, sound=False)
    write_clicking_square(tmp_path / "in" / "dog" / "good.mp4", 1)
    report = build(MediaFolder(str(tmp_path / "in"), test_share=0), tmp_path / "out", encoding=Encoding(16))
    assert report.left_out == [("dog/silent", "has no sound")]
    assert report.exit_code == 1
