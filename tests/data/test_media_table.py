"""A table of media files as a source of clips."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest

from asva_lightning.cli import main
from asva_lightning.data import Columns, MediaTable, build
from asva_lightning.data.manifest import Dataset
from asva_lightning.errors import ConfigurationError, MediaError, ShardsError
from asva_lightning.media import ClipFormat, probe, read_clip

ROWS = [
    {"path": "dog_barking/1.mp4", "text": "a dog, barking", "split": "train"},
    {"path": "hammering/2.mp4", "text": "", "split": "test"},
]


@pytest.fixture
def write(tmp_path):
    def written(rows, name="clips.csv", mark=""):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            file.write(mark)
            table = csv.DictWriter(file, rows[0], delimiter="\t" if name.endswith("tsv") else ",")
            table.writeheader()
            table.writerows(rows)
        return str(path)

    return written


@pytest.mark.parametrize(("name", "mark"), [("clips.csv", ""), ("clips.tsv", ""), ("clips.csv", "\ufeff")])
def test_rows_become_clips(write, name, mark):
    dog, hammer = MediaTable(write(ROWS, name, mark)).items()
    assert (dog.key, dog.split, dog.category, dog.text) == (
        "a_dog,_barking/1",
        "train",
        "a_dog,_barking",
        "a dog, barking",
    )
    assert (hammer.key, hammer.split, hammer.text) == ("hammering/2", "test", "hammering")  # the folder is the class


def test_columns_may_have_any_names(write):
    table = write([{"file": "a/1.mp4", "class": "dog_barking", "from": "1.5", "to": "4"}])
    columns = Columns(path="file", category="class", start="from", end="to")
    item = MediaTable(table, columns=columns, test_share=0.0).items()[0]
    assert (item.key, item.text, item.split) == ("dog_barking/1-1_5_4", "dog barking", "train")
    assert json.loads(item.origin) == ["a/1.mp4", 1.5, 4.0]


def test_a_part_is_cut_out_at_its_time(write, clip_folder, tmp_path):
    """The background of the clips grows brighter all the time, so that a frame tells when it was."""
    file = sorted((clip_folder / "videos" / "hammering").iterdir())[0]
    rows = [{"path": file.name, "text": "hammering", "split": "train", "start": start, "end": end}
            for start, end in (("0.5", "2.75"), ("", "2"), ("0.75", ""))]  # fmt: skip
    source = MediaTable(write(rows), media=str(file.parent))
    shards = build(source, tmp_path / "out").output
    samples = Dataset.open(shards).samples("train")
    assert [sample.key.rpartition("-")[2] for sample in samples] == ["0_5_2_75", "_2", "0_75_"]
    assert [sample.seconds for sample in samples] == pytest.approx([2.25, 2.0, 2.25], abs=0.09)
    format = ClipFormat(frames=6, fps=6, height=48, width=64)
    for sample, start in zip(samples, (0.5, 0.0, 0.75)):
        media = tmp_path / "cut.mp4"
        media.write_bytes((shards / sample.shard).read_bytes()[sample.offset : sample.offset + sample.size])
        part, whole = read_clip(media, format, 0.5), read_clip(file, format, start + 0.5)
        assert (part.pixels.float() - whole.pixels.float()).abs().mean() < 2
        assert (part.waveform - whole.waveform).abs().mean() < 0.002
        assert probe(media).sample_rate == probe(file).sample_rate  # nothing said that it may be less


def test_parts_that_are_not_there_are_left_out(write, clip_folder, tmp_path):
    file = min((clip_folder / "videos").rglob("*.mp4"))
    table = MediaTable(write([{"path": str(file), "start": "1", "end": end} for end in ("9", "2.5")]))
    reasons = []
    for item in table.items():
        with pytest.raises(MediaError) as caught:
            table.make(item, tmp_path)
        reasons.append(caught.value.reason)
    assert re.fullmatch(r"ends at 3\.\d\d s, before the 9 s that the table asks for", reasons[0])
    assert reasons[1] == "is 1.50 s long, shorter than 2 s"
    slow = MediaTable(write([{"path": str(file)}]), minimum_fps=24)
    with pytest.raises(MediaError, match="has 12.00 frames a second, fewer than 24"):
        slow.make(slow.items()[0], tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file": "1.mp4"}, "has no column 'path', only file. Name the column with --columns.path"),
        ({"path": "", "text": "x"}, "row 1 names no file"),
        ({"path": "1.mp4", "split": "dev"}, "row 1 has the split 'dev', not train, validation, test"),
        ({"path": "1.mp4", "start": "soon"}, "row 1: start is 'soon', not a time in seconds"),
        ({"path": "1.mp4", "start": "-1"}, "row 1: start is '-1', not a time in seconds"),
        ({"path": "1.mp4", "start": "3", "end": "2"}, "row 1 ends at 2 s, before it starts"),
    ],
)
def test_wrong_rows_are_told(write, row, message):
    with pytest.raises(ShardsError, match=message):
        MediaTable(write([row])).items()


def test_wrong_tables_are_told(write, tmp_path):
    def told(content, error=ShardsError, **options):
        path = tmp_path / "wrong.csv"
        path.write_bytes(content)
        with pytest.raises(error) as caught:
            MediaTable(str(path), **options).items()
        return str(caught.value)

    assert "has no rows. Name one clip a row" in told(b"path,text\n")
    assert "line 2 has 3 cells, but 2 columns are named. Put cells that hold a comma" in told(b"path,text\na,b,c\n")
    assert "is no UTF-8 table: invalid start byte in line 2" in told(b"path\n\xff\xfe\n")
    assert "share the key" in told(b"path,text\na/1.mp4,x\nb/1.mp4,x\n")
    assert "has no column 'caption'" in told(b"path\n1.mp4\n", columns=Columns(text="caption"))
    assert "expect counts train, validation, test and classes, not trains" in told(
        b"path\n1.mp4\n", ConfigurationError, expect={"trains": 1}
    )
    with pytest.raises(ShardsError, match=r"table .*nowhere\.csv does not exist. Give a CSV or Parquet file"):
        MediaTable(str(tmp_path / "nowhere.csv")).items()
    with pytest.raises(ShardsError, match="folder of media .*nowhere does not exist"):
        MediaTable(str(tmp_path / "nowhere.csv"), media=str(tmp_path / "nowhere"))


def test_a_table_is_built_from_the_command_line(write, clip_folder, tmp_path, capsys):
    names = sorted(path.relative_to(clip_folder) for path in clip_folder.rglob("*.mp4"))[:3]
    table = write([{"file": name, "label": "a sound", "split": "train"} for name in names])
    words = ["--media", str(clip_folder), "--columns.path", "file", "--columns.text", "label", "--workers", "1"]
    main(["shards", "build", table, str(tmp_path / "out"), *words])
    assert "3 train clips, 0 left out" in capsys.readouterr().out
    assert {sample.text for sample in Dataset.open(tmp_path / "out").samples("train")} == {"a sound"}


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "clips.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="needs pyarrow, which is not installed: pip install pyarrow. Or save"):
        MediaTable(str(tmp_path / "clips.parquet")).items()


def test_a_parquet_table_is_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"path": "dog/1.mp4", "start": 1.0, "end": None}, {"path": "cat/2.mp4", "start": None, "end": None}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "clips.parquet")
    assert [item.key for item in MediaTable(str(tmp_path / "clips.parquet")).items()] == ["dog/1-1_", "cat/2"]
    (tmp_path / "clips.parquet").write_bytes(b"no table")
    with pytest.raises(ShardsError, match="is no Parquet table"):
        MediaTable(str(tmp_path / "clips.parquet")).items()


def test_captions_are_kept_with_their_clips(write, clip_folder, tmp_path):
    files = sorted((clip_folder / "videos" / "hammering").iterdir())[:3]
    rows = [
        {"path": file.name, "text": text, "category": category, "split": split}
        for file, text, category, split in zip(
            files, ("a hammer", "an anvil", "a bell"), ("hammer", "hammer", "bell"), ("train", "test", "train")
        )
    ]
    dataset = Dataset.open(build(MediaTable(write(rows), str(files[0].parent)), tmp_path / "out").output)
    assert [sample.text for split in ("train", "test") for sample in dataset.samples(split)] == [
        "a hammer",
        "a bell",
        "an anvil",
    ]
    assert dataset.description["texts"] == {"bell": "a bell"}  # none where one would stand for several


def test_parts_of_one_file_are_in_one_split(tmp_path):
    table = tmp_path / "clips.csv"
    parts = [(video, 4 * part) for video in range(50) for part in range(6)]
    rows = [f"{'./' * (start % 8 // 4)}v{video}.mp4,{start},{start + 4},dog" for video, start in parts]
    table.write_text("\n".join(["path,start,end,text", *rows]) + "\n")
    splits: dict[str, set[str]] = {}
    for item in MediaTable(str(table), test_share=0.3).items():
        splits.setdefault(Path(json.loads(item.origin)[0]).name, set()).add(item.split)
    assert len(splits) == 50
    assert all(len(of_video) == 1 for of_video in splits.values())
    assert len(set().union(*splits.values())) == 2, "both splits have some"
