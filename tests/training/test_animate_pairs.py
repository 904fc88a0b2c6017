"""animate --pairs: a folder or a table of pictures and sounds, a film of each."""

import csv
import shutil
from pathlib import Path

import pytest
import torch
from animate_for_tests import FORMAT, failure, tone
from PIL import Image

from asva_lightning.cli import main
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import probe, read_clip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.animate_outputs import panel_files, prepare_outputs
from asva_lightning.training.animate_pairs import read_pairs


def pairs_in(folder, tmp_path):
    folder.mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (32, 32), (120, 80, 60)).save(folder / f"{name}.png")
        tone(folder / f"{name}.mp4", 1)
    (folder / "notes.txt").write_text("nothing")
    return folder


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}


def other_weights(run):
    """As after more training: the same run, other weights."""
    file = RunFolder(run).latest_checkpoint()
    content = torch.load(file, weights_only=True)
    for weights in content["average"]["parameters"].values():
        weights += 0.01
    torch.save(content, file)


def test_a_folder_of_pairs(trained, tmp_path, caplog):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    words = ["animate", f"--checkpoint={trained}", f"--pairs={folder}", f"--output={tmp_path / 'out'}"]
    main([*words, "--text=a stick hitting a drum"])
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) == ["one.mp4", "two.mp4"]
    before = (tmp_path / "out" / "one.mp4").stat().st_mtime_ns
    main([*words, "--text=a stick hitting a drum"])
    assert (tmp_path / "out" / "one.mp4").stat().st_mtime_ns == before  # done before, not again


def test_films_of_pairs_are_made_again_where_they_would_be_others(trained, tmp_path, capsys):
    folder, out = pairs_in(tmp_path / "pairs", tmp_path), tmp_path / "out.v1"  # a folder may have a dot
    model = shutil.copytree(trained, tmp_path / "model")
    words = ["animate", f"--checkpoint={model}", f"--pairs={folder}", f"--output={out}"]
    drum = "--text=a stick hitting a drum"
    main([*words, drum])
    first = stamps(out)
    (out / "one.mp4").unlink()
    main([*words, drum])
    second = stamps(out)
    assert second["two.mp4"] == first["two.mp4"]  # the lost one alone
    Image.new("RGB", (32, 32), (10, 200, 60)).save(folder / "two.png")
    main([*words, drum])
    third = stamps(out)
    assert (third["one.mp4"] == second["one.mp4"], third["two.mp4"] == second["two.mp4"]) == (True, False)
    shown = read_clip(out / "two.mp4", FORMAT).pixels[:, 0].float().mean(dim=(1, 2))
    assert shown[1] > 150
    tone(folder / "one.mp4", 4)
    main([*words, drum])
    assert probe(out / "one.mp4").seconds == pytest.approx(4, abs=0.1)
    before = stamps(out)
    main([*words, "--text=a distant hammer striking an anvil"])
    after = stamps(out)
    assert all(after[name] > before[name] for name in before)
    other_weights(model)
    message = failure(capsys, *words[1:], "--text=a distant hammer striking an anvil")
    assert "was begun with other settings (digest: " in message
    assert stamps(out) == after
    (out / "journal.jsonl").unlink()
    main([*words, "--text=a distant hammer striking an anvil"])
    assert all(time > after[name] for name, time in stamps(out).items())


def test_a_table_of_pairs_and_one_that_fails(trained, tmp_path, caplog):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    (folder / "two.mp4").write_bytes(b"broken")
    with (folder / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "audio", "text", "output"])
        rows.writerow(["one.png", "one.mp4", "a stick hitting a drum", "first"])
        rows.writerow(["one.png", "two.mp4", "", "second"])
    with pytest.raises(SystemExit) as stop:
        main(["animate", f"--checkpoint={trained}", f"--pairs={folder / 'list.csv'}", f"--output={tmp_path / 'out'}"])
    assert stop.value.code == 1
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["first.mp4"]
    assert "second:" in caplog.text


def test_pairs_take_the_same_stretch_of_every_sound(trained, tmp_path):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    tone(folder / "two.mp4", 6)
    words = ["animate", f"--checkpoint={trained}", f"--pairs={folder}", f"--output={tmp_path / 'out'}"]
    main([*words, "--text=a stick hitting a drum", "--seconds=4"])
    lengths = {name: probe(tmp_path / "out" / f"{name}.mp4").seconds for name in ("one", "two")}
    assert lengths == {"one": pytest.approx(2, abs=0.1), "two": pytest.approx(4, abs=0.1)}


def test_what_a_folder_of_pairs_means_is_never_guessed(tmp_path, caplog):
    caplog.set_level("INFO", "asva_lightning")
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name in ("a.png", "a.yaml", "a.wav", "b.png", "b.yaml", "c.wav", "d.mp4", "e.mp4", "e.jpg"):
        (folder / name).touch()
    jobs = read_pairs(str(folder), None)
    assert [(Path(job.image).name, Path(job.audio).name) for job in jobs] == [
        ("a.png", "a.wav"), ("d.mp4", "d.mp4"), ("e.jpg", "e.mp4"),
    ]  # fmt: skip
    assert f"{folder / 'b.png'} is left out: no sound there has its name." in caplog.text
    assert f"{folder / 'b.yaml'} is left out: its ending is none of a sound." in caplog.text
    assert f"{folder / 'c.wav'} is left out: no picture there has its name." in caplog.text
    for second, first in (("a.mp3", "a.wav"), ("a.jpg", "a.png")):
        (folder / second).touch()
        with pytest.raises(ConfigurationError, match="share the name 'a'") as told:
            read_pairs(str(folder), None)
        assert {str(folder / first), str(folder / second)} <= set(str(told.value).split())
        (folder / second).unlink()
    (folder / "pairs.csv").write_text("image,audio,output\nb.png,c.wav,film\n")
    assert [(job.image, job.name) for job in read_pairs(str(folder), None)] == [(str(folder / "b.png"), "film")]
    assert f"{folder / 'pairs.csv'} is taken as the list of pairs." in caplog.text


def test_tables_are_read_as_spreadsheets_write_them(tmp_path):
    table = tmp_path / "list.csv"
    table.write_bytes(b"\xef\xbb\xbfimage,audio,text,output\na.png,a.wav,caf\xc3\xa9,x.mp4\na.png,b.wav,,sub/y\n")
    jobs = read_pairs(str(table), "other")
    assert [(job.image, job.text, job.name) for job in jobs] == [
        (str(tmp_path / "a.png"), "café", "x"), (str(tmp_path / "a.png"), "other", "sub/y"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image,audio\na.png,a.wav\na.png\n", "line 3 has 1 cells, but 2 columns are named"),
        (b"image,audio,text\na.png,a.wav,caf\xe9\n", "is no UTF-8 table: invalid continuation byte in line 2"),
        (b"image,audio,text\na.png,,dog\n", "has no audio in row 1"),
        (b"image,audio,output\na.png,a.wav,../x\n", "the output '../x' in row 1, which lies outside --output"),
        (b"image,audio,output\na.png,a.wav,/x.mp4\n", "the output '/x.mp4' in row 1, which lies outside"),
        (b"image,audio,output\na.png,a.wav,.mp4\n", "the output '.mp4' in row 1, which lies outside"),
    ],
)
def test_tables_with_faults_are_one_error_that_names_the_line(tmp_path, capsys, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    assert message in failure(capsys, "--checkpoint=none", f"--pairs={tmp_path / 'list.csv'}", "--output=out")


def test_films_replace_nothing_that_is_read_and_no_other_film(tmp_path, capsys):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    message = failure(capsys, "--checkpoint=none", f"--pairs={folder}", f"--output={folder}")
    assert f"The film {folder / 'one.mp4'} would replace {folder / 'one.mp4'}" in message
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    panels = panel_files(folder / "film.mp4", ["drum.wav", str(folder / "film-drum.mp4")])
    with pytest.raises(ConfigurationError, match="film-drum.mp4 would replace"):
        prepare_outputs([folder / "film.mp4", *panels], ["drum.wav", str(folder / "film-drum.mp4")])
    (tmp_path / "list.csv").write_text("image,audio,output\na.png,a.wav,x\na.png,b.wav,x\n")
    words = ["--checkpoint=none", f"--pairs={tmp_path / 'list.csv'}", f"--output={tmp_path / 'out'}"]
    assert "Two films would be written to" in failure(capsys, *words)
    (tmp_path / "list.csv").write_text("image,audio,output\na.png,a.wav,x\na.png,b.wav,x-explained\n")
    assert "Two films would be written to" in failure(capsys, *words, "--explain")


def test_lists_without_pairs_are_refused(trained, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = f"--output={tmp_path / 'out'}"
    assert "names no pair" in failure(capsys, f"--checkpoint={trained}", f"--pairs={tmp_path / 'empty'}", out)
    (tmp_path / "list.csv").write_text("picture,sound\na.png,a.wav\n")
    message = failure(capsys, f"--checkpoint={trained}", f"--pairs={tmp_path / 'list.csv'}", out)
    assert "has no column 'image'; it has: picture, sound" in message
