"""animate: what it refuses, and what it says then."""

import json
import shutil

import pytest
import yaml
from animate_for_tests import failure, tone
from PIL import Image

from asva_lightning.cli import main
from asva_lightning.media import probe


def test_two_sounds_of_one_name_are_refused(trained, tmp_path, capsys):
    (tmp_path / "a").mkdir()
    sounds = [str(tone(tmp_path / "drum.mp4", 1)), str(tone(tmp_path / "a" / "drum.mp4", 1))]
    words = [f"--audio={json.dumps(sounds)}", f"--output={tmp_path / 'o.mp4'}"]
    message = failure(capsys, f"--checkpoint={trained}", *words)
    assert "Two sounds have the same file name" in message


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
def test_contradictions_are_refused(trained, sound, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    words = [word.format(sound=sound) for word in words]
    before = sound.read_bytes()
    assert message.format(sound=sound) in failure(capsys, f"--checkpoint={trained}", *words)
    assert sound.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} <= {"sound.mp4"}


def test_a_start_behind_the_end_of_the_sound_is_refused(trained, sound, tmp_path, capsys):
    output = tmp_path / "out.mp4"
    message = failure(capsys, f"--checkpoint={trained}", f"--audio={sound}", f"--output={output}", "--start=99")
    assert "its sound ends at 3.0" in message
    assert "before --start 99. Start earlier." in message
    assert not output.exists()


def test_a_folder_that_is_no_run(tmp_path, sound, capsys):
    message = failure(capsys, f"--checkpoint={tmp_path}", f"--audio={sound}")
    assert "it is no run (no config.yaml), no exported folder" in message


def test_a_run_without_a_checkpoint(trained, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    shutil.rmtree(copy / "checkpoints")
    assert "no checkpoint yet" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")


def test_a_sound_that_cannot_be_read(trained, tmp_path, capsys):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    assert str(broken) in failure(capsys, f"--checkpoint={trained}", f"--audio={broken}")


def test_a_text_that_was_not_trained(trained, sound, tmp_path, capsys):
    picture = tmp_path / "picture.png"
    Image.new("RGB", (32, 32)).save(picture)
    error = failure(capsys, f"--checkpoint={trained}", f"--audio={sound}", f"--image={picture}", "--text=a cat")
    assert "'a cat' was not trained" in error
    assert "'a stick hitting a drum'" in error


def test_an_output_that_is_no_mp4(trained, sound, capsys):
    assert "must end in .mp4" in failure(capsys, f"--checkpoint={trained}", f"--audio={sound}", "--output=x.gif")


def test_a_foreign_class_is_not_loaded(trained, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["init_args"]["conditioner"]["init_args"]["audio"] = {"class_path": "os.system", "init_args": {}}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert "asks for the class os.system" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")


def test_an_edited_configuration_does_not_fit(trained, tmp_path, sound, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["init_args"]["denoiser"]["init_args"]["layers_per_block"] = 2
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    assert "does not fit" in failure(capsys, f"--checkpoint={copy}", f"--audio={sound}")


def test_folders_are_made_and_sounds_checked_before_the_model_is_loaded(trained, sound, tmp_path, capsys):
    failure(capsys, "--checkpoint=none", f"--audio={sound}", f"--output={tmp_path / 'a' / 'b' / 'out.mp4'}")
    assert (tmp_path / "a" / "b").is_dir()
    short = tone(tmp_path / "short.mp4", 1)
    words = [f"--audio=[{sound}, {short}]", f"--output={tmp_path / 'out.mp4'}", "--start=2"]
    assert "short.mp4: its sound ends at 1.0" in failure(capsys, "--checkpoint=none", *words)
    main(["animate", f"--checkpoint={trained}", f"--audio={sound}", f"--output={tmp_path / 'c' / 'd' / 'out.mp4'}"])
    assert probe(tmp_path / "c" / "d" / "out.mp4").has_picture
