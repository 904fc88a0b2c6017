"""animate: one picture and one sound in, a video out."""

import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from runs_for_tests import fit

from asva_lightning.cli import main
from asva_lightning.media import ClipFormat, probe, read_clip, read_sound, write_clip

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
          "--text=a stick hitting a drum", "--guidance=3"])  # fmt: skip
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


def test_a_short_sound_is_followed_by_silence(run, tmp_path):
    path = tmp_path / "short.mp4"
    write_clip(path, torch.zeros(3, 3, 32, 32, dtype=torch.uint8), 6, torch.rand(8000) - 0.5, 16_000)
    output = tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={run}", f"--audio={path}", f"--output={output}"])
    assert float(read_sound(output, 16_000)[12_000:].abs().max()) < 0.02


def test_a_folder_that_is_no_run(tmp_path, sound, capsys):
    assert "is not a run" in failure(capsys, f"--checkpoint={tmp_path}", f"--audio={sound}")


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
