"""animate: pictures and sounds in, videos out."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from runs_for_tests import fit

from asva_lightning.cli import main
from asva_lightning.errors import ConfigurationError
from asva_lightning.media import ClipFormat, probe, read_clip, read_sound, write_clip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.animate_jobs import picture_of_run
from asva_lightning.training.animate_outputs import panel_files, prepare_outputs
from asva_lightning.training.animate_pairs import read_pairs

FORMAT = ClipFormat(12, 6, 32, 32)


@pytest.fixture(scope="module")
def run(synth_shards, tmp_path_factory):
    return fit(synth_shards, tmp_path_factory.mktemp("animate"))


@pytest.fixture
def sound(tmp_path):
    """A file that has sound, and a picture nobody asks for."""
    path = tmp_path / "sound.mp4"
    waveform = 0.4 * torch.sin(torch.arange(48_000) * 0.3)
    write_clip(path, torch.zeros(3, 18, 32, 32, dtype=torch.uint8), 6, waveform, 16_000)
    return path


def failure(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["animate", *map(str, words)])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_any_sound_animates_a_picture_of_the_run(run, sound, tmp_path):
    output = tmp_path / "out.mp4"
    main(["animate", "--checkpoint", str(run), "--audio", str(sound), "--output", str(output)])
    info = probe(output)
    assert (info.has_picture, info.has_sound) == (True, True)
    heard = read_sound(output, 16_000)
    assert float((heard[2000:30000] - read_sound(sound, 16_000)[2000:30000]).abs().mean()) < 0.02


def test_a_picture_of_ones_own_is_the_first_frame(run, sound, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((40, 60, 3), (200, 30, 90), np.uint8)).save(picture)
    output = tmp_path / "own.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={sound}", f"--image={picture}", f"--output={output}",
          "--text=a stick hitting a drum", "--audio_guidance=3"])  # fmt: skip
    first = read_clip(output, FORMAT).pixels[:, 0].float().mean(dim=(1, 2))
    assert (first - torch.tensor([200.0, 30, 90])).abs().max() < 8


def test_the_same_seed_gives_the_same_video(run, sound, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        main(
            ["animate", f"--checkpoint={run}", f"--audio={sound}", f"--output={tmp_path / name}.mp4", f"--seed={seed}"]
        )
    a, b, c = (read_clip(tmp_path / f"{name}.mp4", FORMAT).pixels.int() for name in "abc")
    assert (a - b).abs().max() <= 2
    assert (a - c).abs().max() > 20


def tone(path, seconds, level=0.4):
    waveform = level * torch.sin(torch.arange(round(seconds * 16_000)) * 0.3)
    write_clip(path, torch.zeros(3, max(1, round(seconds * 6)), 32, 32, dtype=torch.uint8), 6, waveform, 16_000)
    return path


def test_a_short_sound_is_followed_by_silence(run, tmp_path, caplog):
    path, output = tone(tmp_path / "short.mp4", 0.5), tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={path}", f"--output={output}"])
    assert float(read_sound(output, 16_000)[12_000:].abs().max()) < 0.02
    assert probe(output).seconds == pytest.approx(2, abs=0.1)
    assert "short.mp4 lasts 0.50 s; silence follows up to 2 s." in caplog.text


def test_a_silent_sound_is_said_to_be_silent(run, tmp_path, caplog):
    path = tone(tmp_path / "silent.mp4", 2, level=0)
    main(["animate", f"--checkpoint={run}", f"--audio={path}", f"--output={tmp_path / 'out.mp4'}"])
    assert "silent.mp4: the sound is silent, so hardly anything will move." in caplog.text


def test_a_long_sound_makes_a_long_video_with_its_sound(run, tmp_path):
    path, output = tone(tmp_path / "long.mp4", 5.3), tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={path}", f"--output={output}"])
    info = probe(output)
    assert info.seconds == pytest.approx(5.333, abs=0.1)
    frames = read_clip(output, ClipFormat(32, 6, 32, 32))
    assert frames.pixels.float().diff(dim=1).abs().mean(dim=(0, 2, 3)).min() >= 0
    heard, given = read_sound(output, 16_000)[:80_000], read_sound(path, 16_000)[:80_000]
    assert float((heard - given)[2000:].abs().mean()) < 0.02
    some = tmp_path / "some.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={path}", f"--output={some}", "--start=1", "--seconds=3"])
    assert probe(some).seconds == pytest.approx(3, abs=0.1)


def test_several_sounds_for_one_picture(run, tmp_path):
    sounds = [str(tone(tmp_path / f"{name}.mp4", 2)) for name in ("drum", "bell")]
    main(["animate", f"--checkpoint={run}", f"--audio={json.dumps(sounds)}", f"--output={tmp_path / 'out.mp4'}"])
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out-bell.mp4", "out-drum.mp4", "out.mp4"]
    together = probe(tmp_path / "out.mp4")
    assert together.width == 2 * together.height
    assert together.seconds == pytest.approx(4, abs=0.1)
    wide = read_clip(tmp_path / "out.mp4", ClipFormat(24, 6, 32, 64)).pixels.float()
    left = wide[..., :32].diff(dim=1).abs().mean(dim=(0, 2, 3))
    right = wide[..., 32:].diff(dim=1).abs().mean(dim=(0, 2, 3))
    assert left[1:10].mean() > 5 * left[13:].mean()  # each panel moves while its own sound is heard
    assert right[13:].mean() > 5 * right[1:10].mean()


def test_two_sounds_of_one_name_are_refused(run, tmp_path, capsys):
    (tmp_path / "a").mkdir()
    sounds = [str(tone(tmp_path / "drum.mp4", 1)), str(tone(tmp_path / "a" / "drum.mp4", 1))]
    message = failure(capsys, f"--checkpoint={run}", f"--audio={json.dumps(sounds)}", f"--output={tmp_path / 'o.mp4'}")
    assert "Two sounds have the same file name" in message


def test_a_video_gives_picture_and_sound(run, tmp_path):
    pixels = torch.full((3, 12, 32, 32), 180, dtype=torch.uint8)
    write_clip(tmp_path / "v.mp4", pixels, 6, 0.4 * torch.sin(torch.arange(32_000) * 0.3), 16_000)
    main(["animate", f"--checkpoint={run}", f"--video={tmp_path / 'v.mp4'}", f"--output={tmp_path / 'out.mp4'}"])
    first = read_clip(tmp_path / "out.mp4", FORMAT).pixels[:, 0].float()
    assert (first - 180).abs().max() < 12


def test_a_picture_is_cropped_or_padded_and_scaled_back(run, sound, tmp_path):
    Image.new("RGB", (96, 48), (10, 200, 30)).save(tmp_path / "wide.png")
    words = ["animate", f"--checkpoint={run}", f"--audio={sound}", f"--image={tmp_path / 'wide.png'}"]
    main([*words, f"--output={tmp_path / 'crop.mp4'}"])
    assert (probe(tmp_path / "crop.mp4").width, probe(tmp_path / "crop.mp4").height) == (128, 128)
    main([*words, f"--output={tmp_path / 'pad.mp4'}", "--fit=pad", "--size=source"])
    info = probe(tmp_path / "pad.mp4")
    assert info.width == 2 * info.height


def test_explain_shows_where_the_sound_acts(run, sound, tmp_path):
    output = tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={sound}", f"--output={output}", "--explain=true"])
    info = probe(tmp_path / "out-explained.mp4")
    assert info.width == 2 * info.height
    both = read_clip(tmp_path / "out-explained.mp4", ClipFormat(12, 6, 32, 64)).pixels.float()
    alone = read_clip(output, FORMAT).pixels.float()
    assert (both[..., :32] - alone).abs().mean() < 6
    red, blue = both[0, 1:, :, 32:], both[2, 1:, :, 32:]
    assert (red - blue).mean() > 5


def pairs_in(folder, tmp_path):
    folder.mkdir()
    for name in ("one", "two"):
        Image.new("RGB", (32, 32), (120, 80, 60)).save(folder / f"{name}.png")
        tone(folder / f"{name}.mp4", 1)
    (folder / "notes.txt").write_text("nothing")
    return folder


def test_a_folder_of_pairs(run, tmp_path, caplog):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    words = ["animate", f"--checkpoint={run}", f"--pairs={folder}", f"--output={tmp_path / 'out'}"]
    main([*words, "--text=a stick hitting a drum"])
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mp4")) == ["one.mp4", "two.mp4"]
    before = (tmp_path / "out" / "one.mp4").stat().st_mtime_ns
    main([*words, "--text=a stick hitting a drum"])
    assert (tmp_path / "out" / "one.mp4").stat().st_mtime_ns == before  # done before, not again


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}


def test_films_of_pairs_are_made_again_where_they_would_be_others(run, tmp_path, capsys):
    folder, out = pairs_in(tmp_path / "pairs", tmp_path), tmp_path / "out.v1"  # a folder may have a dot
    model = shutil.copytree(run, tmp_path / "model")
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


def other_weights(run):
    """As after more training: the same run, other weights."""
    file = RunFolder(run).latest_checkpoint()
    content = torch.load(file, weights_only=True)
    for weights in content["average"]["parameters"].values():
        weights += 0.01
    torch.save(content, file)


def test_what_a_folder_of_pairs_means_is_never_guessed(tmp_path, caplog):
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


def test_folders_are_made_and_sounds_checked_before_the_model_is_loaded(run, sound, tmp_path, capsys):
    failure(capsys, "--checkpoint=none", f"--audio={sound}", f"--output={tmp_path / 'a' / 'b' / 'out.mp4'}")
    assert (tmp_path / "a" / "b").is_dir()
    short = tone(tmp_path / "short.mp4", 1)
    words = [f"--audio=[{sound}, {short}]", f"--output={tmp_path / 'out.mp4'}", "--start=2"]
    assert "short.mp4: its sound ends at 1.0" in failure(capsys, "--checkpoint=none", *words)
    main(["animate", f"--checkpoint={run}", f"--audio={sound}", f"--output={tmp_path / 'c' / 'd' / 'out.mp4'}"])
    assert probe(tmp_path / "c" / "d" / "out.mp4").has_picture


def test_a_table_of_pairs_and_one_that_fails(run, tmp_path, caplog):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    (folder / "two.mp4").write_bytes(b"broken")
    with (folder / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "audio", "text", "output"])
        rows.writerow(["one.png", "one.mp4", "a stick hitting a drum", "first"])
        rows.writerow(["one.png", "two.mp4", "", "second"])
    with pytest.raises(SystemExit) as stop:
        main(["animate", f"--checkpoint={run}", f"--pairs={folder / 'list.csv'}", f"--output={tmp_path / 'out'}"])
    assert stop.value.code == 1
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["first.mp4"]
    assert "second:" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output=x.mp4"], "There is no sound. Give --audio FILE"),
        (["--pairs=nowhere", "--output=out"], "--pairs nowhere does not exist"),
        (["--pairs=.", "--output=out.mp4"], "must be a folder, as --pairs makes many videos"),
        (["--pairs=.", "--audio=a.wav", "--output=out"], "--pairs names pictures and sounds itself"),
        (["--audio={sound}", "--audio_guidance=-1"], "Guidance by audio cannot be negative"),
        (["--audio={sound}", "--scheduler=Fast"], "diffusers has no scheduler 'Fast'"),
        (["--video={sound}", "--steps=0"], "Sampling needs at least one step, not 0"),
        (["--audio=a.wav", "--seconds=0"], "--seconds must be positive"),
        (["--audio=a.wav", "--start=-1"], "--start must be 0 or more, not -1"),
        (["--audio=a.wav", "--seed=-1"], "A seed is a whole number from 0 to 2^63 - 1, not -1"),
        (["--audio={sound}", "--steps=5000"], "Sampling takes at most 1000 steps"),
        (["--audio=[]", "--video={sound}"], "--audio [] names no sound"),
        (["--video={sound}", "--output={sound}"], "would replace {sound}, from which it is made"),
        (["--audio={sound}", "--image={sound}/../sound.mp4", "--output=./sound.mp4"], "sound.mp4 would replace"),
        (["--audio={sound}", "--output=sound.mp4/out.mp4"], "The folder sound.mp4 cannot be made"),
        (["--pairs=.", "--output=sound.mp4"], "must be a folder, as --pairs makes many videos"),
        (["--audio={sound}", "--text_to_image=x", "--text="], "--text_to_image paints what --text says"),
    ],
)
def test_contradictions_are_refused(run, sound, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    words = [word.format(sound=sound) for word in words]
    before = sound.read_bytes()
    assert message.format(sound=sound) in failure(capsys, f"--checkpoint={run}", *words)
    assert sound.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"sound.mp4"}


def test_lists_without_pairs_are_refused(run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = f"--output={tmp_path / 'out'}"
    assert "names no pair" in failure(capsys, f"--checkpoint={run}", f"--pairs={tmp_path / 'empty'}", out)
    (tmp_path / "list.csv").write_text("picture,sound\na.png,a.wav\n")
    message = failure(capsys, f"--checkpoint={run}", f"--pairs={tmp_path / 'list.csv'}", out)
    assert "has no column 'image'; it has: picture, sound" in message


def test_a_picture_may_be_painted_from_the_text(run, sound, stable_diffusion, tmp_path):
    words = ["animate", f"--checkpoint={run}", f"--audio={sound}", f"--text_to_image={stable_diffusion}"]
    main([*words, "--text=a stick hitting a drum", f"--output={tmp_path / 'out.mp4'}"])
    assert probe(tmp_path / "out.mp4").has_picture


def test_an_exported_folder_needs_a_picture(run, sound, tmp_path, capsys):
    main(["export", str(run), str(tmp_path / "model")])
    message = failure(capsys, f"--checkpoint={tmp_path / 'model'}", f"--audio={sound}")
    assert "There is no picture. Give --image FILE, --video FILE, or --text_to_image" in message
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    main(["animate", f"--checkpoint={tmp_path / 'model'}", f"--audio={sound}", f"--image={tmp_path / 'picture.png'}",
          f"--output={tmp_path / 'out.mp4'}"])  # fmt: skip
    assert probe(tmp_path / "out.mp4").has_sound


def test_a_start_behind_the_end_of_the_sound_is_refused(run, sound, tmp_path, capsys):
    output = tmp_path / "out.mp4"
    message = failure(capsys, f"--checkpoint={run}", f"--audio={sound}", f"--output={output}", "--start=99")
    assert "its sound ends at 3.0" in message
    assert "before --start 99. Start earlier." in message
    assert not output.exists()


def test_pairs_take_the_same_stretch_of_every_sound(run, tmp_path):
    folder = pairs_in(tmp_path / "pairs", tmp_path)
    tone(folder / "two.mp4", 6)
    words = ["animate", f"--checkpoint={run}", f"--pairs={folder}", f"--output={tmp_path / 'out'}"]
    main([*words, "--text=a stick hitting a drum", "--seconds=4"])
    lengths = {name: probe(tmp_path / "out" / f"{name}.mp4").seconds for name in ("one", "two")}
    assert lengths == {"one": pytest.approx(2, abs=0.1), "two": pytest.approx(4, abs=0.1)}


def test_the_picture_is_the_first_of_the_newest_samples(run):
    folder = RunFolder(run)
    newest = max(folder.samples.glob("step_*"))
    assert len(list(newest.glob("*.json"))) > 1
    first = json.loads(min(newest.glob("*.json")).read_text())
    assert picture_of_run(folder, None) == (newest / first["picture"], first["text"])


def test_a_folder_that_is_no_run(tmp_path, sound, capsys):
    message = failure(capsys, f"--checkpoint={tmp_path}", f"--audio={sound}")
    assert "it is no run (no config.yaml), no exported folder" in message


def test_a_run_without_a_checkpoint(run, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "checkpoints")
    assert "no checkpoint yet" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")


def test_a_sound_that_cannot_be_read(run, tmp_path, capsys):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    assert str(broken) in failure(capsys, f"--checkpoint={run}", f"--audio={broken}")


def test_a_text_that_was_not_trained(run, sound, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (32, 32)).save(picture)
    error = failure(capsys, f"--checkpoint={run}", f"--audio={sound}", f"--image={picture}", "--text=a cat")
    assert "'a cat' was not trained" in error
    assert "'a stick hitting a drum'" in error


def test_an_output_that_is_no_mp4(run, sound, capsys):
    assert "must end in .mp4" in failure(capsys, f"--checkpoint={run}", f"--audio={sound}", "--output=x.gif")


def test_a_foreign_class_is_not_loaded(run, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["init_args"]["conditioner"]["init_args"]["audio"] = {"class_path": "os.system", "init_args": {}}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert "asks for the class os.system" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")


def test_an_edited_configuration_does_not_fit(run, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["init_args"]["denoiser"]["init_args"]["layers_per_block"] = 2
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert "does not fit" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")
