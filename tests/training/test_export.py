"""export: from any checkpoint to safetensors, in the layout of diffusers or of the original."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from asva_lightning.cli import main
from asva_lightning.denoiser import AVSyncUNet, save_original
from asva_lightning.diffusion import AnimationPipeline
from asva_lightning.encoders import ImageBind
from asva_lightning.training.checkpoints import read_checkpoint
from asva_lightning.training.sources import open_pipeline


@pytest.fixture(scope="module")
def original(stable_diffusion, reference, tmp_path_factory):
    """A checkpoint as the original writes it, of miniature networks."""
    folder = tmp_path_factory.mktemp("original") / "checkpoint-37000"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = AVSyncUNet.from_stable_diffusion(str(stable_diffusion), audio_channels=48)
        for name, parameter in unet.named_parameters():
            if "_temp" in name:
                torch.nn.init.normal_(parameter, std=0.02)
    save_original(unet, folder / "modules" / "unet")
    sound = ImageBind.from_original(reference("imagebind_small", "imagebind").weights, modalities=["audio"])
    sound.save_audio_encoder_folder(folder / "modules" / "audio_encoder")
    return folder


def tensors(folder):
    return load_file(folder / "diffusion_pytorch_model.safetensors")


def failure(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["export", *map(str, words)])
    assert stop.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("which", ["ema", "raw"])
def test_a_run_becomes_a_folder_of_diffusers(trained, tmp_path, capsys, which):
    dest = tmp_path / "drummer"
    main(["export", str(trained), str(dest), "--weights", which])
    assert f"{dest}: diffusers layout" in capsys.readouterr().out
    weights = read_checkpoint(max((trained / "checkpoints").glob("*.ckpt")), which).weights
    written = tensors(dest / "unet")
    assert {f"denoiser.{name}" for name in written} <= weights.keys()
    for name, tensor in written.items():
        assert torch.equal(tensor, weights[f"denoiser.{name}"])
    assert {file.suffix for file in dest.rglob("*") if file.is_file()} == {".safetensors", ".json", ".md"}
    opened, pipeline = open_pipeline(str(trained), which).pipeline, AnimationPipeline.from_pretrained(dest)
    words = {"image": torch.zeros(3, 32, 32, dtype=torch.uint8), "audio": torch.ones(32_000) * 0.1}
    one, other = (
        some(**words, generator=torch.Generator().manual_seed(0), output_type="pt").frames
        for some in (opened, pipeline)
    )
    assert torch.equal(one, other)


def test_the_card_says_what_it_is(trained, tmp_path):
    main(["export", str(trained), str(tmp_path / "drummer")])
    card = (tmp_path / "drummer" / "README.md").read_text()
    for fact in ("# drummer", "recipe: quickstart", "optimizer steps: 2", "12 frames, 6 a second, 32x32 px",
                 "code: Apache-2.0", 'AnimationPipeline.from_pretrained("drummer")'):  # fmt: skip
        assert fact in card, fact
    assert "ImageBind" not in card
    assert not {"/tmp", str(trained)} & set(card.split())


def test_the_originals_checkpoint_in_and_out_and_in_again(original, stable_diffusion, tmp_path):
    base = f"--stable_diffusion={stable_diffusion}"
    main(["export", str(original), str(tmp_path / "ours"), base])
    main(["export", str(tmp_path / "ours"), str(tmp_path / "theirs"), "--layout=original"])
    for part in ("unet", "audio_encoder"):
        before, after = tensors(original / "modules" / part), tensors(tmp_path / "theirs" / "modules" / part)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        configs = [
            json.loads((folder / "modules" / part / "config.json").read_text())
            for folder in (original, tmp_path / "theirs")
        ]
        assert configs[0] == configs[1]
    main(["export", str(tmp_path / "theirs"), str(tmp_path / "again"), base])
    assert tensors(tmp_path / "again" / "unet").keys() == tensors(tmp_path / "ours" / "unet").keys()
    card = (tmp_path / "ours" / "README.md").read_text()
    assert "CC BY-NC-SA 4.0" in card
    assert "OpenRAIL-M" in card


def test_the_originals_checkpoint_animates(original, stable_diffusion):
    pipeline = open_pipeline(str(original), stable_diffusion=str(stable_diffusion)).pipeline
    frames = pipeline(
        torch.zeros(3, 64, 64, dtype=torch.uint8), torch.ones(32_000) * 0.1, "dog barking",
        height=64, width=64, num_inference_steps=2, output_type="pt",
    ).frames  # fmt: skip
    assert frames.shape == (1, 12, 3, 64, 64)
    assert frames.isfinite().all()


def test_the_originals_layout_knows_imagebind_only(trained, tmp_path, capsys):
    message = failure(capsys, trained, tmp_path / "out", "--layout=original")
    assert "knows ImageBind only, but this model hears through LogMelEncoder. Use --layout diffusers." in message
    assert not list(tmp_path.iterdir())


def test_what_exists_is_left_alone(trained, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert "out exists. Delete it or choose another name" in failure(capsys, trained, tmp_path / "out")


def test_a_source_that_is_nothing(tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    message = failure(capsys, tmp_path / "thesis", tmp_path / "out")
    assert "it is no run (no config.yaml), no exported folder (no model_index.json)" in message
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_not_there_is_not_looked_for_on_the_hub(trained, tmp_path, capsys):
    message = failure(capsys, trained.parent / "quickstart-HASH", tmp_path / "out")
    assert f"quickstart-HASH does not exist. Runs there: {trained}. Give a run folder" in message


def test_the_originals_checkpoint_without_its_audio_encoder(original, stable_diffusion, tmp_path, capsys):
    copy = shutil.copytree(original, tmp_path / "copy")
    shutil.rmtree(copy / "modules" / "audio_encoder")
    message = failure(capsys, copy, tmp_path / "out", f"--stable_diffusion={stable_diffusion}")
    assert "audio_encoder is missing. Download the whole checkpoint" in message
