"""animate: a picture and a sound in, a video out."""

import json

import numpy as np
import pytest
import torch
from animate_for_tests import FORMAT, failure, tone
from PIL import Image

from asva_lightning.cli import main
from asva_lightning.media import ClipFormat, probe, read_clip, read_sound, write_clip
from asva_lightning.runs.folder import RunFolder
from asva_lightning.training.animate_jobs import picture_of_run


def test_any_sound_animates_a_picture_of_the_run(trained, sound, tmp_path):
    output = tmp_path / "out.mp4"
    main(["animate", "--checkpoint", str(trained), "--audio", str(sound), "--output", str(output)])
    info = probe(output)
    assert (info.has_picture, info.has_sound) == (True, True)
    heard = read_sound(output, 16_000)
    assert float((heard[2000:30000] - read_sound(sound, 16_000)[2000:30000]).abs().mean()) < 0.02


def test_a_picture_of_ones_own_is_the_first_frame(trained, sound, tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((40, 60, 3), (200, 30, 90), np.uint8)).save(picture)
    output = tmp_path / "own.mp4"
    main(["animate", f"--checkpoint={trained}", f"--audio={sound}", f"--image={picture}", f"--output={output}",
          "--text=a stick hitting a drum", "--audio_guidance=3"])  # fmt: skip
    first = read_clip(output, FORMAT).pixels[:, 0].float().mean(dim=(1, 2))
    assert (first - torch.tensor([200.0, 30, 90])).abs().max() < 8


def test_the_same_seed_gives_the_same_video(trained, sound, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = [f"--checkpoint={trained}", f"--audio={sound}", f"--output={tmp_path / name}.mp4"]
        main(["animate", *words, f"--seed={seed}"])
    a, b, c = (read_clip(tmp_path / f"{name}.mp4", FORMAT).pixels.int() for name in "abc")
    assert (a - b).abs().max() <= 2
    assert (a - c).abs().max() > 20


def test_a_short_sound_is_followed_by_silence(trained, tmp_path, caplog):
    path, output = tone(tmp_path / "short.mp4", 0.5), tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={trained}", f"--audio={path}", f"--output={output}"])
    assert float(read_sound(output, 16_000)[12_000:].abs().max()) < 0.02
    assert probe(output).seconds == pytest.approx(2, abs=0.1)
    assert "short.mp4 lasts 0.50 s; silence follows up to 2 s." in caplog.text


def test_a_silent_sound_is_said_to_be_silent(trained, tmp_path, caplog):
    path = tone(tmp_path / "silent.mp4", 2, level=0)
    main(["animate", f"--checkpoint={trained}", f"--audio={path}", f"--output={tmp_path / 'out.mp4'}"])
    assert "silent.mp4: the sound is silent, so hardly anything will move." in caplog.text


def test_a_long_sound_makes_a_long_video_with_its_sound(trained, tmp_path):
    path, output = tone(tmp_path / "long.mp4", 5.3), tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={trained}", f"--audio={path}", f"--output={output}"])
    info = probe(output)
    assert info.seconds == pytest.approx(5.333, abs=0.1)
    frames = read_clip(output, ClipFormat(32, 6, 32, 32))
    assert frames.pixels.float().diff(dim=1).abs().mean(dim=(0, 2, 3)).min() >= 0
    heard, given = read_sound(output, 16_000)[:80_000], read_sound(path, 16_000)[:80_000]
    assert float((heard - given)[2000:].abs().mean()) < 0.02
    some = tmp_path / "some.mp4"
    main(["animate", f"--checkpoint={trained}", f"--audio={path}", f"--output={some}", "--start=1", "--seconds=3"])
    assert probe(some).seconds == pytest.approx(3, abs=0.1)


def test_several_sounds_for_one_picture(trained, tmp_path):
    sounds = [str(tone(tmp_path / f"{name}.mp4", 2)) for name in ("drum", "bell")]
    main(["animate", f"--checkpoint={trained}", f"--audio={json.dumps(sounds)}", f"--output={tmp_path / 'out.mp4'}"])
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out-bell.mp4", "out-drum.mp4", "out.mp4"]
    together = probe(tmp_path / "out.mp4")
    assert together.width == 2 * together.height
    assert together.seconds == pytest.approx(4, abs=0.1)
    wide = read_clip(tmp_path / "out.mp4", ClipFormat(24, 6, 32, 64)).pixels.float()
    left = wide[..., :32].diff(dim=1).abs().mean(dim=(0, 2, 3))
    right = wide[..., 32:].diff(dim=1).abs().mean(dim=(0, 2, 3))
    assert left[1:10].mean() > 5 * left[13:].mean()  # each panel moves while its own sound is heard
    assert right[13:].mean() > 5 * right[1:10].mean()


def test_a_video_gives_picture_and_sound(trained, tmp_path):
    pixels = torch.full((3, 12, 32, 32), 180, dtype=torch.uint8)
    write_clip(tmp_path / "v.mp4", pixels, 6, 0.4 * torch.sin(torch.arange(32_000) * 0.3), 16_000)
    main(["animate", f"--checkpoint={trained}", f"--video={tmp_path / 'v.mp4'}", f"--output={tmp_path / 'out.mp4'}"])
    first = read_clip(tmp_path / "out.mp4", FORMAT).pixels[:, 0].float()
    assert (first - 180).abs().max() < 12


def test_a_picture_is_cropped_or_padded_and_scaled_back(trained, sound, tmp_path):
    Image.new("RGB", (96, 48), (10, 200, 30)).save(tmp_path / "wide.png")
    words = ["animate", f"--checkpoint={trained}", f"--audio={sound}", f"--image={tmp_path / 'wide.png'}"]
    main([*words, f"--output={tmp_path / 'crop.mp4'}"])
    assert (probe(tmp_path / "crop.mp4").width, probe(tmp_path / "crop.mp4").height) == (128, 128)
    main([*words, f"--output={tmp_path / 'pad.mp4'}", "--fit=pad", "--size=source"])
    info = probe(tmp_path / "pad.mp4")
    assert info.width == 2 * info.height


def test_explain_shows_where_the_sound_acts(trained, sound, tmp_path):
    output = tmp_path / "out.mp4"
    main(["animate", f"--checkpoint={trained}", f"--audio={sound}", f"--output={output}", "--explain=true"])
    info = probe(tmp_path / "out-explained.mp4")
    assert info.width == 2 * info.height
    both = read_clip(tmp_path / "out-explained.mp4", ClipFormat(12, 6, 32, 64)).pixels.float()
    alone = read_clip(output, FORMAT).pixels.float()
    assert (both[..., :32] - alone).abs().mean() < 6
    red, blue = both[0, 1:, :, 32:], both[2, 1:, :, 32:]
    assert (red - blue).mean() > 5


def test_a_picture_may_be_painted_from_the_text(trained, sound, stable_diffusion, tmp_path):
    words = ["animate", f"--checkpoint={trained}", f"--audio={sound}", f"--text_to_image={stable_diffusion}"]
    main([*words, "--text=a stick hitting a drum", f"--output={tmp_path / 'out.mp4'}"])
    assert probe(tmp_path / "out.mp4").has_picture


def test_an_exported_folder_needs_a_picture(trained, sound, tmp_path, capsys):
    main(["export", str(trained), str(tmp_path / "model")])
    message = failure(capsys, f"--checkpoint={tmp_path / 'model'}", f"--audio={sound}")
    assert "There is no picture. Give --image FILE, --video FILE, or --text_to_image" in message
    Image.new("RGB", (32, 32)).save(tmp_path / "picture.png")
    main(["animate", f"--checkpoint={tmp_path / 'model'}", f"--audio={sound}", f"--image={tmp_path / 'picture.png'}",
          f"--output={tmp_path / 'out.mp4'}"])  # fmt: skip
    assert probe(tmp_path / "out.mp4").has_sound


def test_the_picture_is_the_first_of_the_newest_samples(trained):
    folder = RunFolder(trained)
    newest = max(folder.samples.glob("step_*"))
    assert len(list(newest.glob("*.json"))) > 1
    first = json.loads(min(newest.glob("*.json")).read_text())
    assert picture_of_run(folder, None) == (newest / first["picture"], first["text"])
